"""Why a registry, a store, or a place where images run cannot be opened or read."""

from django.utils.translation import gettext_noop as _

FORMS = (
    # addresses
    _("%(name)s is not a SOURCE that this version can open; write %(kinds)s."),
    _("%(name)s is not a SOURCE; write %(kinds)s."),
    _("storage:PATH, s3://BUCKET/PREFIX, gs://, az://, http(s)://HOST, oci:PATH or docker:"),
    _("Only a registry's API can be asked for chosen repositories."),
    _("Name repositories either in the address (%(name)s) or beside it."),
    _("%(name)s is not an address of a registry; write https://HOST[:PORT] or https://HOST/NAME."),
    _("%(name)s is not an address of a registry."),
    _("%(name)s is not an address where a registry can be."),
    _("%(name)s is no address"),
    _("Credentials do not belong into the address; set PRUNE_USERNAME and PRUNE_PASSWORD."),
    _("%(name)s is not a repository name."),
    _("%(name)s is not a repository name; write team/app, or team/ for all below it."),
    _("%(ref)s: %(name)s is not a repository name."),
    _("%(ref)s: %(tag)s is not a tag name."),
    _("%(ref)s names a tag and a digest; name one of them."),
    _("%(ref)s: after @ comes a digest such as sha256:<64 hex digits>."),
    _("%(name)s is no object store; write s3://BUCKET/PREFIX, gs:// or az://."),
    _("Credentials do not belong into a SOURCE, nor do ports: write %(name)s://BUCKET/PREFIX."),
    _("%(name)s is not the name of a bucket; write %(kind)s://BUCKET/PREFIX."),
    _("The prefix %(name)s has an empty segment, or one of dots."),
    _("%(name)s is not an option of %(kind)s://; known: %(known)s."),
    _("%(name)s is not a %(kind)s."),
    _("The endpoint must be like https://HOST or http://HOST:PORT."),
    _("Credentials do not belong into an endpoint."),
    _("%(name)s is no address of a Docker Engine; write docker:, docker:unix:///path or docker:tcp://host."),
    _("%(name)s is no address of a cluster; write kubernetes: or kubernetes:https://host:port."),
    _("%(name)s is nothing that runs images; write docker:, docker:ADDRESS, kubernetes: or kubernetes:https://HOST."),
    # what is not there, or not what it should be
    _("%(name)s is no registry: neither docker/registry/v2 (V2) nor images and repositories (V1) are in it."),
    _("%(name)s is no registry any more: of its cleanups only the records are left."),
    _("%(name)s holds a V1 and a V2 registry at once; give the folder of one of them."),
    _("%(name)s holds a V1 and a V2 registry at once; give the prefix of one of them."),
    _("%(name)s does not exist; give the root folder of a registry's storage."),
    _("%(name)s is not a folder; give the root folder of a registry's storage."),
    _("%(name)s does not exist; give the root folder of an OCI layout."),
    _("%(name)s is not a folder; give the root folder of an OCI layout."),
    _("%(name)s cannot be read; run this as a user who may, for instance the registry's."),
    _("%(name)s cannot be read (%(why)s)."),
    _("%(name)s cannot be read: %(why)s."),
    _("%(name)s cannot be opened: %(why)s"),
    _("a setting is malformed"),
    _("The CA certificate %(name)s cannot be read: %(why)s."),
    _("%(name)s is an OCI layout of version %(version)s; only 1.0 is known here."),
    _("%(name)s is no OCI layout: there is no file %(file)s in it."),
    _(
        "%(name)s is no OCI layout: there is no file %(file)s in it; %(below)s is one, so give that, or "
        "another one below %(where)s."
    ),
    _("%(path)s is no path inside the store."),
    _("%(path)s is a symbolic link; nothing behind it is touched."),
    _("over the API a blob can be read with its repository only"),
    _("cannot be read from a Docker Engine by itself"),
    # registries
    _(
        "The registry does not list its repositories (%(why)s); name them: https://HOST/NAME for one, "
        "--repositories for several."
    ),
    _(
        "The registry does not list its repositories; name them: https://HOST/NAME for one, --repositories "
        "for several."
    ),
    _("The registry does not list its repositories (its search %(why)s); name one: https://HOST/NAME."),
    _("The registry's catalog %(why)s."),
    _("%(name)s is no registry: its answer %(why)s."),
    _("%(name)s is no registry: /v2/ was answered with status %(status)s."),
    _("%(name)s is no registry: /v2/ shows a web page."),
    _("%(name)s is no V1 registry: /v1/_ping was answered with status %(status)s."),
    _("%(ref)s was answered with status %(status)s."),
    _("%(name)s was not done with within %(hours)s hours, and was given up."),
    _("%(name)s cannot be reached: %(why)s."),
    _("%(name)s cannot be reached: %(why)s"),
    _("%(name)s did not answer within %(seconds)s seconds."),
    _(
        "%(name)s shows a certificate that is not trusted, or does not trust ours; give the file of its CA "
        "(PRUNE_CA_FILE), or a client certificate (PRUNE_CLIENT_CERTIFICATE)."
    ),
    _(
        "%(name)s ended the connection as soon as it was secured; it may want a client certificate "
        "(PRUNE_CLIENT_CERTIFICATE)."
    ),
    _(
        "The CA certificate, the client certificate or its key cannot be read: each must be PEM, and the key "
        "that of the certificate, without a password."
    ),
    _("The registry went away: %(why)s"),
    _("The registry does not allow %(method)s %(path)s to these credentials (%(why)s)."),
    _("The registry wants to know who asks for %(path)s; give credentials (PRUNE_USERNAME, PRUNE_PASSWORD)."),
    _("The registry's token server: %(why)s"),
    _("The registry's token server refused these credentials (%(why)s)."),
    _("The registry's token server gave an answer that is no token."),
    _("The registry names a place for tokens that is no address."),
    _(
        "The registry sends us to %(kind)s://%(name)s for tokens, which is another host; if you trust it with"
        " your credentials, allow it (PRUNE_TOKEN_REALM=https://%(host)s)."
    ),
    _("The credential helper docker-credential-%(name)s of the Docker config is not installed."),
    _("The Docker config in %(name)s cannot be read."),
    _("The file named by PRUNE_PASSWORD_FILE cannot be read."),
    # what a registry can do, and how to let it
    _("It does not list its repositories to us, so only those that you name are read."),
    _("Name them (Repositories, or --repositories); or give credentials that may list (scope registry:catalog:*)."),
    _("Name them (Repositories, or --repositories). SEARCH_BACKEND=sqlalchemy makes docker-registry keep one."),
    _("Take maintenance: readonly: enabled: true out of its configuration and start it again."),
    _(
        "Set storage: delete: enabled: true in its configuration, or REGISTRY_STORAGE_DELETE_ENABLED=true, "
        "and start it again. A pull-through cache never deletes."
    ),
    _(
        "It deletes by digest only. One of several tags of an image is taken away by pushing a throw-away "
        "manifest to it and deleting that, which needs the right to push."
    ),
    _(
        "It has no list of what refers to an image. Signatures and attachments are found by their tags; one "
        "without a tag is not seen, and stays behind."
    ),
    _("It takes a registry that speaks OCI 1.1; distribution does not list referrers yet."),
    # buckets
    _(
        "this bucket keeps versions: what is deleted takes its space until a rule of the bucket's life cycle "
        "removes the versions that are no longer current"
    ),
    _("Note: %(why)s."),
    _("Enter credentials for this endpoint: those of the machine are for the cloud itself only."),
    _("No credentials for the bucket: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE."),
    _("The key of a service account of Google is a JSON document; enter all of it."),
    _("AWS_PROFILE names a profile that the file of AWS credentials does not have."),
    _("the object store answered %(status)s"),
    _("the object store did not answer"),
    _("the object store took too long"),
    _("there is no such bucket"),
    _("is there already, or was changed"),
    _("%(status)s: the credentials do not allow it"),
    _("an object has a name with an empty segment or one of dots"),
    # engines and clusters
    _("no Docker Engine answers (%(why)s)."),
    _("there is no Docker Engine: that socket does not exist."),
    _("this user may not speak to the Docker Engine; run as one who may, for instance in the group docker."),
    _("%(name)s does not hold ca.pem, cert.pem and key.pem, which DOCKER_TLS_VERIFY asks for."),
    _("The Docker Engine at %(name)s refused: %(why)s."),
    _("The Docker Engine at %(name)s did not answer in time."),
    _("The Docker Engine at %(name)s broke off its answer (%(why)s)."),
    _("The Docker Engine at %(name)s gave an answer that cannot be understood (%(path)s: %(why)s)."),
    _(
        "The Docker Engine at %(name)s lists the image %(image)s and does not show it; repair or remove that "
        "image first."
    ),
    _("The Docker Engine at %(name)s answered what no engine answers (%(why)s)."),
    _(
        "%(name)s uses the image %(image)s, which was removed from the engine by force: which manifest it was"
        " cannot be told."
    ),
    _("%(name)s uses an image named %(image)s, which cannot be understood"),
    _("%(name)s goes on listing each %(kind)s for ever."),
    _("%(name)s could not list each %(kind)s: its lists grow old too soon."),
    _("%(name)s refused to list each %(kind)s (%(status)s %(why)s)."),
    _("%(name)s does not accept the token"),
    _("%(name)s does not let this account list each %(kind)s"),
    _("%(name)s does not answer (%(why)s)."),
    _("%(name)s gave no list of each %(kind)s (%(why)s)."),
    _("there is no file %(name)s."),
    # notifications
    _("the envelope has more than %(number)s bytes"),
    _("the envelope has more than %(number)s events"),
    _("the envelope is none (%(why)s)"),
    _("an event has no id"),
    _("an event is about %(name)s, which is no repository"),
    _("an event is about %(name)s, which is no digest"),
    _("an event is about %(name)s, which is no tag"),
)
