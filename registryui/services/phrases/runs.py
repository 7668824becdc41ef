"""What runs, restores and the trash come to, and why they were refused or stopped."""

from django.utils.translation import gettext_noop as _

FORMS = (
    _("%(why)s The cleanup stopped half-way; undo it to bring back what had gone by then."),
    _("%(why)s The cleanup stopped half-way, and cannot be undone."),
    # why something was skipped
    _("gone already"),
    _("it is not there"),
    _("it was moved a moment ago"),
    _("it was pushed again while this run was interrupted"),
    _("it was pushed again since; that tag stays"),
    _("it cannot be read any more (%(why)s)"),
    _("its name was given to another image a moment ago"),
    _("the container %(names)s uses it now"),
    _("it is also known as %(names)s now"),
    _("the engine kept it: something came to need it a moment ago"),
    _("the engine refused: %(why)s"),
    _("the engine gave it another id than it had"),
    _("it is gone already, or points at another image now"),
    _("it names another image now; that one stays"),
    _("its image could not be brought back"),
    _("its image is no longer there"),
    _("its manifest is gone already"),
    _("its bytes are not kept any more"),
    _("its blobs are gone: the registry has collected its garbage since"),
    _("the registry kept this tag"),
    _("the registry kept what it belongs to"),
    _("the registry refused"),
    _("the registry does not let it go (%(why)s)"),
    _("the registry failed to delete it (%(why)s)"),
    _("the registry did not take it (%(why)s)"),
    _("the registry does not let it be replaced (status %(status)s)"),
    _("the registry answered with status %(status)s"),
    _("the registry's own garbage collection left it"),
    _("it has the tag %(tag)s, which is not in the plan or could not be deleted"),
    _("it is not in its place"),
    _("it is not in its place; push an image that has it again"),
    _("it %(why)s; push an image that has it again"),
    _("it is neither in the trash nor in its place"),
    _("something of another size is in its place now"),
    _("%(name)s is something else now"),
    _("%(name)s was changed since"),
    _("%(name)s vanished while it was moved"),
    _("%(name)s was changed while it was moved"),
    _("the copy of %(name)s is missing, or of another size"),
    _("something is there already"),
    _("was not listed before it was to be moved"),
    # how a run ended
    _("%(why)s What was done is remembered: apply the same plan again to go on."),
    _("%(why)s Nothing is lost: apply the same plan again to go on."),
    _("%(why)s. Nothing is lost: put that right and restore again."),
    _("%(why)s. Put that right and restore again."),
    _("%(why)s Restore again to go on."),
    _("%(why)s. Something still pushes here: stop that first."),
    _("%(why)s Note: %(reason)s."),
    _(
        "The run is over, and its verification failed: %(why)s Nothing was emptied: `prune restore` with run "
        "%(run)s brings everything back that it took; applying the plan again verifies again."
    ),
    _(
        "The run is over, and its verification could not be done: %(why)s Nothing was emptied: `prune "
        "restore` with run %(run)s brings everything back that it took; applying the plan again verifies "
        "again."
    ),
    _(
        "The run is over, and its verification failed: %(why)s What the run took is gone for good; applying "
        "the plan again verifies again."
    ),
    _(
        "The run is over, and its verification could not be done: %(why)s What the run took is gone for good;"
        " applying the plan again verifies again."
    ),
    # why a run was refused
    _("Another cleanup of this store is running; wait until it is done."),
    _(
        "Another cleanup of this store is running; wait until it is done. If it was killed, this is possible "
        "in %(seconds)s seconds."
    ),
    _(
        "Another cleanup of this store is running on %(name)s; wait until it is done. If it was killed, this "
        "is possible in %(seconds)s seconds."
    ),
    _("Another cleanup of this store has just begun; wait until it is done."),
    _("another cleanup has written %(name)s"),
    _("the lock on this store was lost to another cleanup or could not be renewed"),
    _("Cleaning up %(kind)s is not supported yet."),
    _("This plan was made for %(name)s (%(kind)s), not for %(other)s (%(type)s)."),
    _("The plan file was changed after it was made: its digest is not its own. Make a new plan."),
    _("%(problem)s: nothing can be judged, and nothing was done. Put that right first."),
    _("%(problem)s; put that right first."),
    _("%(name)s: %(problem)s; nothing was done. Make a new plan."),
    _("would lose manifests of %(name)s that are to stay"),
    _("would lose names that are to stay"),
    _(
        "%(name)s was written to during this run: something still pushes here. Stop that, and apply the same "
        "plan again."
    ),
    _("%(name)s changes faster than it can be looked at; try later."),
    _("%(ref)s cannot be read any more (%(why)s)."),
    _("%(ref)s cannot be looked at any more (%(why)s)."),
    _("The journal of run %(run)s has no beginning or no end."),
    _("The journal of run %(run)s %(why)s."),
    _("Run %(run)s of this plan is being restored; finish that first."),
    # what a registry refuses
    _("The registry did not delete %(name)s: it answered with status %(status)s."),
    _("The registry answered %(ref)s with status %(status)s."),
    _(
        "The registry does not allow deleting; switch it on (storage: delete: enabled: true, or "
        "REGISTRY_STORAGE_DELETE_ENABLED=true) and start it again."
    ),
    _("The registry is read-only; start it without maintenance: readonly, then apply again."),
    _("The registry does not take uploads to %(name)s (%(why)s), which untagging needs."),
    _("The registry did not take an upload to %(name)s (%(why)s), which untagging needs."),
    _(
        "The registry took %(names)s along with a tag of the same image, and does not take it back (%(why)s):"
        " push %(digest)s to it again."
    ),
    _("Taking one of several tags from an image needs the right to push: %(why)s"),
    # copies that an engine hands out
    _(
        "Keeping a copy of the images needs %(size)s bytes in %(path)s, where %(free)s are free. Make room, "
        "name another folder in PRUNE_STATE, or use --no-trash: then there is no way back."
    ),
    _("%(path)s is gone, and with it the saved images."),
    _("The copy that the engine made does not hold %(names)s; nothing was deleted."),
    _("The copy that the engine made cannot be read back (%(why)s); nothing was deleted."),
    _("The engine did not hand the images out (status %(status)s)."),
    _("The engine did not take the images back: %(why)s."),
    # restoring, and the trash
    _("Nothing is known here of a run %(run)s."),
    _("This store knows no run %(run)s."),
    _("%(run)s is no run; `prune apply` printed its name."),
    _("What was deleted in %(name)s cannot be brought back."),
    _("The trash of run %(run)s was emptied; it cannot be brought back."),
    _("Nothing of run %(run)s was kept, or its trash was emptied; it cannot be brought back."),
    _("The registry's own garbage collection removed the blobs of run %(run)s; it cannot be brought back."),
    _("A source of kind %(kind)s has no trash."),
    _("Run %(run)s is not finished; apply its plan again, or restore it, first."),
    _("After run %(run)s %(why)s; restore it, or apply its plan again to have it verified, first."),
    _("nobody has looked yet whether everything that was to stay is there"),
    _("it could not be found out whether everything that was to stay is there"),
    _("something that was to stay was not found whole"),
    _("%(number)s thing could not be put back, and may be nowhere but in its trash"),
    _("%(number)s things could not be put back, and may be nowhere but in its trash"),
    _("Run %(run)s was restored again since you looked, and something else stays away now."),
    _(
        "After run %(run)s %(why)s; put right what was in its way and restore it again, or accept that it "
        "stays away, first."
    ),
    _("A folder was replaced while things in it moved"),
    _("Run %(run)s has no trash that waits for this."),
    _("The verification of run %(run)s found nothing that could be accepted."),
    _("Run %(run)s was verified again since you looked, and something else is missing now."),
    _("Say why this may be accepted: it goes on the record."),
)
