"""Engines that sample beside the trainer: processes, servers, their weights, their failures."""
