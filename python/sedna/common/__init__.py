"""What every part of the package shares: configuration, registry, files, logging."""
