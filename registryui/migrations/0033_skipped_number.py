from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("registryui", "0032_final_cleanups"),
    ]

    operations = [
        migrations.AddField("run", "skipped_number", models.PositiveIntegerField(default=0)),
        migrations.AddField("run", "skipped_digest", models.CharField(max_length=64, blank=True, default="")),
    ]
