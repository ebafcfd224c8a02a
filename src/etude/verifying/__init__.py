"""Judging answers that are there already: files in, tables out."""
