"""The checks of `holdfast doctor`: of this installation, of its store, or of a server."""
