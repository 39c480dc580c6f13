"""This exists so that the version is known without loading anything."""

VERSION = "0.1.0"
