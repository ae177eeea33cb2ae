"""Recipes of training that need generated problems."""
