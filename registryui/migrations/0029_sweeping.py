from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("registryui", "0028_prompt_pulls"),
    ]

    operations = [
        migrations.AddField("draft", "uploads_days", models.PositiveIntegerField(null=True)),
        migrations.AddField("draft", "empty_repositories", models.BooleanField(default=False)),
    ]
