from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("registryui", "0029_sweeping"),
    ]

    operations = [
        migrations.RemoveIndex("image", "image_base"),
        migrations.AddIndex(
            "image",
            models.Index(
                fields=["registry", "base", "-dependents", "-created_at", "digest"],
                name="image_base",
                condition=models.Q(ended_at=None) & ~models.Q(base=""),
            ),
        ),
    ]
