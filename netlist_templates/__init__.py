"""The drawings: SPICE netlists as Jinja templates, described in the README beside this file."""
