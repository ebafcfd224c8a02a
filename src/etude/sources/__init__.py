"""Where rows come from: files, hubs and generators."""
