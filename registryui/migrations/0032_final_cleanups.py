from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("registryui", "0031_plan_drawing"),
    ]

    operations = [
        migrations.AlterField(
            "run",
            "trash",
            models.CharField(
                max_length=8,
                default="none",
                choices=[
                    ("none", "None"),
                    ("held", "Held"),
                    ("restored", "Restored"),
                    ("emptied", "Emptied"),
                    ("final", "Gone for good"),
                ],
            ),
        ),
    ]
