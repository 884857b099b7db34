"""Customers, licences, installations and thin snapshots: one protocol, adapters that keep it."""
