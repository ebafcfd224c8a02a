"""Other environments that rows name, in the place of the one called by the key ``environment``."""
