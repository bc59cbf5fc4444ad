"""Clients and servers of the data plane."""
