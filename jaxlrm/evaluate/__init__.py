"""Datasets in, records, tables and pages out."""
