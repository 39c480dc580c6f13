"""The version, known without loading anything."""

VERSION = "0.1.0"
