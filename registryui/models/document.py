"""Small documents of a registry that pages show, kept by digest: they never change."""

from django.db import models


class Document(models.Model):
    """The bytes of a config or of an attached document, compressed."""

    digest = models.CharField(max_length=140, primary_key=True)
    body = models.BinaryField()
    read_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.digest
