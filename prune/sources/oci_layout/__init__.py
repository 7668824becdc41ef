"""OCI image layouts: folders with an ``index.json`` and blobs, as `skopeo copy … oci:PATH` writes them."""

from prune.sources.oci_layout.source import OciLayout

__all__ = ["OciLayout"]
