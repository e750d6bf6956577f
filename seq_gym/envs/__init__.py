"""Gymnasium environments over the sandbox: observations, actions, rewards, endings."""
