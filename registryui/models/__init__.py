"""What is remembered: registries, what scans saw and when, proposals and their approvals, runs, the record."""

from registryui.models.audit import AuditEntry, AuditHead
from registryui.models.content import Manifest, ManifestSighting, Repository, TagSighting
from registryui.models.document import Document
from registryui.models.draft import Draft
from registryui.models.event import HeardEvent, Listening, Pull, Push
from registryui.models.image import BuildsOn, Image, Label, SharedLayer
from registryui.models.item import PlanItem
from registryui.models.policy import (
    InUsePlace,
    Policy,
    PolicyRun,
    PolicyVersion,
    StandingApproval,
    StandingSignature,
)
from registryui.models.proposal import Approval, Comment, PlanRecord, Proposal
from registryui.models.registry import Registry
from registryui.models.run import Run
from registryui.models.scan import RegistrySnapshot, Scan, SnapshotPart
from registryui.models.scrub import Scrub
from registryui.models.selection import Selected
from registryui.models.space import SpacePicture

__all__ = [
    "Approval",
    "AuditEntry",
    "AuditHead",
    "BuildsOn",
    "Comment",
    "Document",
    "Draft",
    "HeardEvent",
    "Image",
    "InUsePlace",
    "Label",
    "Listening",
    "Manifest",
    "ManifestSighting",
    "PlanItem",
    "PlanRecord",
    "Policy",
    "PolicyRun",
    "PolicyVersion",
    "Proposal",
    "Pull",
    "Push",
    "Registry",
    "RegistrySnapshot",
    "Repository",
    "Run",
    "Scan",
    "Scrub",
    "Selected",
    "SharedLayer",
    "SnapshotPart",
    "SpacePicture",
    "StandingApproval",
    "StandingSignature",
    "TagSighting",
]
