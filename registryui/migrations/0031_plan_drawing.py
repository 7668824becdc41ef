from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("registryui", "0030_image_base_in_order"),
    ]

    operations = [
        migrations.AddField(
            "planrecord",
            "drawing",
            models.BinaryField(null=True, help_text="What both were drawn from, for files of them."),
        ),
    ]
