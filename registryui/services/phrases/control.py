"""What is said while a registry is held for a run, and of its own garbage collection."""

from django.utils.translation import gettext_noop as _

FORMS = (
    # any control
    _(
        "Deleting needs pushes and pulls under control: stop the registry or make it read-only, then say so "
        'with --registry-stopped "reason", or let --control see to it.'
    ),
    _(
        "The registry is still held by run %(run)s, which was interrupted (%(why)s). Use the same control "
        "again, %(kind)s:%(name)s, so that it is given back first."
    ),
    _("The registry was held for %(duration)s, as long as it may be."),
    _("The registry did not come back: %(why)s"),
    _("%(why)s When the registry runs as it should, remove %(name)s from its store."),
    _("%(name)s in the store cannot be read (%(why)s); see that the registry runs, then remove it."),
    _("Whether the registry is still under control cannot be seen: %(why)s"),
    _("%(name)s is no control of a registry; write %(known)s."),
    _("mode=%(name)s: a registry can be held with mode=stop or mode=readonly."),
    _("%(name)s is no option of a docker control; write %(known)s."),
    _("under control"),
    # a container
    _("the container %(container)s is stopped and comes back afterwards"),
    _("the container %(container)s is replaced by a read-only stand-in and comes back afterwards"),
    _("The container %(container)s was found (%(image)s, running), and it has this storage."),
    _("The container %(container)s was found (%(image)s, not running), and it has this storage."),
    _(
        "The container %(container)s was found (%(image)s, running); none of its volumes is %(path)s: make sure "
        "that it is the registry of this storage."
    ),
    _(
        "The container %(container)s was found (%(image)s, not running); none of its volumes is %(path)s: make "
        "sure that it is the registry of this storage."
    ),
    _("The container %(container)s is restarting over and over; put that right first."),
    _("The container %(container)s is %(state)s; put that right first."),
    _("The container %(container)s runs with --rm: once stopped it would be gone."),
    _(
        "The container %(container)s is the stand-in of a cleanup that was interrupted, and the note of it is "
        "lost: remove it, rename %(held)s to %(own)s and start that first."
    ),
    _(
        "The container %(container)s was started read-only, but where it answers is not to be found: give its "
        "address with url=http://HOST:PORT."
    ),
    _("The container %(container)s was started read-only and takes pushes all the same."),
    _("The container %(container)s was started read-only and ended at once (%(state)s)."),
    _("The container %(id)s that was noted is not the container %(container)s; start the registry by hand."),
    _("The container %(container)s was started and does not serve (%(state)s); look after it."),
    _("The container %(container)s does not stop."),
    _("%(number)s containers have the label %(label)s; exactly one must have it."),
    _("No container has the label %(label)s; exactly one must have it."),
    _("labelled %(label)s"),
    _("There is no container %(container)s."),
    _("Somebody started the container %(container)s."),
    _("The container %(container)s takes pushes."),
    _("The container %(container)s did not come back: %(why)s"),
    _(
        "The container %(container)s (%(id)s) is gone, somebody removed it while it was held; start the registry "
        "by hand."
    ),
    # commands, and a look from outside
    _("the registry is stopped by %(stop)s and started by %(start)s"),
    _("The stop command failed (%(why)s); nothing was done."),
    _("The stop command did what it should, but the check command does not find it so."),
    _("The start command failed (%(why)s); start the registry by hand."),
    _("The start command did what it should, but the check command still finds it stopped."),
    _("The check command finds the registry under control no longer (%(why)s)."),
    _("%(why)s, exit code %(code)s"),
    _("exit code %(code)s"),
    _("%(name)s took longer than %(seconds)s s"),
    _("%(name)s must hold the lists stop and start, and may hold check and seconds: %(why)s"),
    _("%(name)s is larger than %(number)s bytes."),
    _("Cannot read %(name)s: %(why)s."),
    _("%(name)s is not the address of a registry; write http(s)://HOST[:PORT]."),
    _("%(name)s was seen to be read-only"),
    _("%(name)s must be seen to be read-only"),
    _("%(name)s answered a push with status %(status)s, which says neither."),
    _(
        '%(name)s takes pushes: make it read-only (REGISTRY_STORAGE_MAINTENANCE_READONLY={"enabled":true}) '
        "and start it again first."
    ),
    _("%(name)s takes pushes again."),
    _("Whether the registry takes pushes cannot be seen: %(why)s"),
    # a cache
    _("Redis at %(name)s answers."),
    _("Redis at %(name)s could not be used (%(why)s)."),
    _("That is no address of a Redis; write redis://HOST[:PORT][/NUMBER]."),
    _("Give the password of Redis by itself, not in its address."),
    _("%(why)s Clear the registry's cache by hand: it may believe in blobs that are gone."),
    # the registry's own garbage collection
    _("trying the garbage collection"),
    _("collecting garbage"),
    _("garbage collection"),
    _("the registry's own garbage collection removes the blobs"),
    _("%(effect)s; the registry's own garbage collection removes the blobs"),
    _("it is not in the plan, or must stay for now"),
    _("manifests go by the plan only"),
    _("The garbage collection ended with exit code %(code)s: %(why)s"),
    _("The garbage collection would remove %(digest)s, which is no digest."),
    _("The garbage collection did not say how much it found, as every version does."),
    _(
        "The garbage collection counts %(blobs)s blobs and %(manifests)s manifests, and lists %(number)s and "
        "%(more)s: it cannot be understood."
    ),
    _(
        "The registry's own garbage collection would remove %(number)s things that must stay, for instance "
        "%(item)s: %(why)s. It was not run."
    ),
    _(
        "The garbage collection removed what it had not said before: %(item)s, and %(number)s more. Look "
        "after the registry now."
    ),
    _("Nothing was deleted: all tags and links are back."),
    _("Not everything could be put back: restore run %(run)s."),
    _("Putting the tags and links back failed (%(why)s): restore run %(run)s."),
)
