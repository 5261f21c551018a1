#include "engine/option_table.hpp"

#include "engine/option_forms.hpp"

#include <cstdint>

namespace backstay::core
{

namespace
{

using K = OptionKind;

// Rows read: key, kind, repeatable, default, least, most, choices, placeholder, help.

constexpr OptionSpec flag(const char* key, const char* help, const char* standard = "false")
{
    return {key, K::flag, false, standard, 0, 0, "", "", help};
}
constexpr OptionSpec one(const char* key, K kind, const char* standard, const char* placeholder,
                         const char* help)
{
    return {key, kind, false, standard, 0, 0, "", placeholder, help};
}
constexpr OptionSpec many(const char* key, K kind, const char* placeholder, const char* help)
{
    return {key, kind, true, "", 0, 0, "", placeholder, help};
}
constexpr OptionSpec with_form(OptionSpec spec, void (*form)(std::string_view))
{
    spec.form = form;
    return spec;
}
constexpr OptionSpec pattern(const char* key, const char* placeholder, const char* help)
{
    return with_form(many(key, K::path, placeholder, help), check_pattern);
}
constexpr OptionSpec tag(const char* key, const char* placeholder, const char* help)
{
    return with_form(many(key, K::text, placeholder, help), check_tags);
}
constexpr OptionSpec tag_filter(const char* key, const char* placeholder, const char* help)
{
    return with_form(many(key, K::text, placeholder, help), check_wanted_tags);
}
constexpr OptionSpec ranged(const char* key, K kind, const char* standard, std::int64_t least,
                            std::int64_t most, const char* placeholder, const char* help)
{
    return {key, kind, false, standard, least, most, "", placeholder, help};
}
constexpr OptionSpec choice(const char* key, const char* standard, const char* choices,
                            const char* placeholder, const char* help)
{
    return {key, K::choice, false, standard, 0, 0, choices, placeholder, help};
}

constexpr std::int64_t mebibyte = 1024 * 1024;
constexpr std::int64_t no_limit = INT64_MAX;

constexpr OptionSpec engine[] = {
    ranged("memory", K::size, "128MiB", 32 * mebibyte, no_limit, "SIZE",
           "Ceiling of anonymous memory; on top 16 bytes a blob of index"),
    ranged("threads", K::number, "0", 0, 256, "N",
           "Threads that compress, encrypt and read; 0: as many as there are cores"),
    one("cache-dir", K::path, "", "DIR",
        "Folder of the cache (default: $XDG_CACHE_HOME/backstay or ~/.cache/backstay)"),
    ranged("cache-size", K::size, "1GiB", 0, no_limit, "SIZE",
           "Bytes a repository's cache keeps at most: what was used longest ago goes first"),
    flag("no-cache", "Keep no cache between runs"),
    ranged("limit-upload", K::size, "0", 0, no_limit, "SIZE",
           "Bytes a second to the store at most; 0: no limit"),
    ranged("limit-download", K::size, "0", 0, no_limit, "SIZE",
           "Bytes a second from the store at most; 0: no limit"),
    flag("low-priority",
         "Give way to other programs (nice, idle I/O) on the library's own threads"),
};
constexpr OptionSpec store[] = {
    flag("create", "Make the folder if it is not there"),
    one("s3-region", K::text, "", "REGION", "Region of the bucket (default: AWS's settings)"),
    one("s3-profile", K::text, "", "NAME", "Profile of AWS's config and credentials files"),
    one("s3-endpoint", K::text, "", "URL", "Server of s3://bucket, if it is not AWS's own"),
    choice("s3-addressing", "auto", "auto|path|virtual", "STYLE",
           "Bucket's name in the URL's path or in the host's name"),
    flag("s3-dualstack", "Use AWS's endpoints for IPv6 and IPv4"),
    flag("s3-fips", "Use AWS's FIPS endpoints"),
    flag("s3-anonymous", "Send requests unsigned"),
    one("s3-access-key", K::text, "", "ID", "Access key (default: AWS's chain)"),
    {"s3-secret-key", K::secret, false, "", 0, 0, "", "", "Its secret"},
    {"s3-session-token", K::secret, false, "", 0, 0, "", "", "Its session token"},
    one("s3-ca-file", K::path, "", "FILE", "PEM file of the authorities to trust"),
    many("s3-pinned-key", K::text, "sha256//HASH",
         "The server must have this public key, too (as curl's --pinnedpubkey)"),
    one("s3-client-certificate", K::path, "", "FILE", "PEM file of a client certificate"),
    one("s3-client-key", K::path, "", "FILE", "PEM file of its key"),
    ranged("s3-connections", K::number, "8", 1, 64, "N",
           "Packs sent or read at once; each needs as much memory as a pack beyond --memory"),
    one("s3-prices", K::text, "5,0.4,0.09", "WRITES,READS,GB",
        "Price of a million writes, of a million reads, of a gigabyte received, for the estimate"),
    flag("s3-requester-pays", "Agree to pay for requests to somebody else's bucket"),
    one("s3-bucket-owner", K::text, "", "ACCOUNT", "Account that must own the bucket"),
    one("s3-storage-class", K::text, "", "CLASS",
        "Storage class of packs of data of 1 MiB and more"),
    choice("s3-encryption", "bucket", "bucket|AES256|aws:kms|aws:kms:dsse", "KIND",
           "Encryption by the server, beside our own (bucket: as the bucket says)"),
    choice("s3-versions", "current", "current|newest|oldest", "WHICH",
           "Read what was deleted (newest) or replaced, too (oldest), in a bucket with versions"),
    choice("s3-lock-mode", "none", "none|governance|compliance", "MODE",
           "Object Lock on everything that is stored, in a bucket that has it"),
    ranged("s3-lock-days", K::number, "30", 1, 36500, "DAYS", "How long, from its creation on"),
    one("s3-kms-key", K::text, "", "KEY", "Key of aws:kms"),
};
constexpr OptionSpec repository[] = {
    {"passphrase", K::secret, false, "", 0, 0, "", "", "The passphrase itself"},
    one("passphrase-file", K::path, "", "FILE",
        "Take the passphrase from a file: all of it, but for one line end behind it"),
    one("passphrase-command", K::text, "", "COMMAND",
        "Take the passphrase from a command's output, likewise (split into words, no shell)"),
    one("key-file", K::path, "", "FILE",
        "Open with the bytes of a file (at least 16) instead of a passphrase"),
    flag("look-ahead", "List snapshots while opening; the first that asks for snapshots goes by "
                       "that list (saves two requests)"),
};
constexpr OptionSpec init[] = {
    {"passphrase", K::secret, false, "", 0, 0, "", "", "The passphrase itself"},
    one("passphrase-file", K::path, "", "FILE",
        "Take the passphrase from a file: all of it, but for one line end behind it"),
    one("passphrase-command", K::text, "", "COMMAND",
        "Take the passphrase from a command's output, likewise (split into words, no shell)"),
    one("key-file", K::path, "", "FILE",
        "Open with the bytes of a file (at least 16) instead of a passphrase"),
    flag("no-encryption", "The key lies in the repository: whoever reads it reads everything"),
    ranged("pack-size", K::size, "32MiB", 8 * mebibyte, 512 * mebibyte, "SIZE",
           "Size of the objects that hold data; smaller where --memory is not thrice that"),
    one("label", K::text, "", "TEXT", "Name of the first key"),
    flag("discard-interrupted",
         "First remove what an init that was interrupted left here; none may be running"),
};
constexpr OptionSpec backup[] = {
    tag("tag", "TAG", "Mark the snapshot; may be given several times"),
    one("host", K::text, "", "HOST", "Host name in the snapshot (default: this machine's)"),
    one("time", K::time, "", "TIME", "Time of the snapshot (default: now)"),
    with_form(one("comment", K::text, "", "TEXT", "A comment, kept in the snapshot"),
              check_comment),
    one("parent", K::text, "", "SNAPSHOT",
        "Take unchanged entries from this snapshot ('none': from none; default: the last of the "
        "same host and sources)"),
    flag("force", "Read every file, changed or not"),
    flag("skip-if-unchanged", "Make no snapshot if nothing changed since the parent"),
    ranged("compression", K::number, "2", 0, 19, "N", "zstd's level, 1 to 19; 0: none"),
    flag("dry-run", "Do everything but store"),
    flag("list", "Tell each entry"),
    with_form(
        one("filter", K::text, "NM", "NMU", "With list: which of New, Modified, Unchanged entries"),
        check_changes),
};
constexpr OptionSpec backup_source[] = {
    flag("optional", "Its failure marks the snapshot instead of ending the backup"),
    one("after", K::text, "", "NAME", "Not before that source has finished"),
};
constexpr OptionSpec source_tree[] = {
    many("path", K::path, "PATH", "A folder or file to save; may be given several times"),
    many("files-from", K::path, "FILE",
         "Read paths to save from a file, one a line (# begins a comment; -: standard input)"),
    many("files-from-raw", K::path, "FILE",
         "Read paths to save from a file, each ended by a NUL byte (-: standard input)"),
    pattern("exclude", "PATTERN", "Leave out what matches a pattern as in gitignore"),
    pattern("iexclude", "PATTERN", "The same, upper and lower case alike"),
    many("exclude-file", K::path, "FILE", "Read such patterns from a file (-: standard input)"),
    with_form(many("exclude-if-present", K::path, "NAME[:HEADER]",
                   "Leave out folders that hold a file of this name (that begins with HEADER)"),
              check_marker),
    flag("exclude-caches", "Leave out what is in folders with a valid CACHEDIR.TAG"),
    ranged("exclude-larger-than", K::size, "0", 0, no_limit, "SIZE",
           "Leave out files larger than this; 0: none"),
    flag("one-file-system", "Do not cross mount points"),
    flag("ignore-ctime", "Do not read a file again because its change time alone differs"),
    flag("ignore-inode", "Do not read a file again because its inode number alone differs"),
    flag("no-nodump", "Save files that carry the nodump flag, too"),
};
constexpr OptionSpec source_stream[] = {
    ranged("descriptor", K::number, "0", 0, INT32_MAX, "FD", "Descriptor to read; borrowed"),
    one("name", K::path, "stdin", "NAME", "Name of the stream in the snapshot"),
};
constexpr OptionSpec source_command[] = {
    many("argument", K::path, "ARG", "Program and arguments, one each"),
    one("name", K::path, "", "NAME", "Name of the stream in the snapshot"),
};
constexpr OptionSpec source_archive[] = {
    one("path", K::path, "", "FILE", "An archive: tar, cpio, zip, ISO 9660, compressed or not"),
};
constexpr OptionSpec source_postgres[] = {
    one("conninfo", K::text, "", "CONNINFO",
        "Connection string or URI, without a password (~/.pgpass, PGPASSFILE, PGPASSWORD)"),
    choice("method", "physical", "physical|logical", "METHOD",
           "physical: the whole cluster as it is on disk; logical: databases by pg_dump, table by "
           "table"),
    choice("checkpoint", "spread", "fast|spread", "KIND",
           "Physical: begin with a checkpoint at once, or one spread over minutes"),
    flag("incremental",
         "Physical: have the server send what changed since the parent snapshot alone (17 and "
         "later, with summarize_wal); what is kept is a full backup"),
    ranged("max-rate", K::size, "0", 0, no_limit, "SIZE",
           "Physical: bytes a second from the server at most; 0: no limit"),
    many("database", K::path, "NAME", "Logical: only this database; may be given several times"),
    many("exclude-database", K::path, "PATTERN",
         "Logical: leave out databases of such names (*, ?)"),
    many("exclude-schema", K::path, "PATTERN",
         "Logical: leave out schemas (patterns as pg_dump takes them)"),
    many("exclude-table", K::path, "PATTERN", "Logical: leave out tables (the same)"),
    many("exclude-table-data", K::path, "PATTERN",
         "Logical: keep the definition of these tables, leave out their rows (the same)"),
    flag("no-role-passwords", "Logical: do not save roles' passwords, which need a superuser"),
    ranged("parallel-dumps", K::number, "0", 0, 64, "N",
           "Logical: databases at a time; 0: as many as there are cores, 4 at most"),
    one("lock-timeout", K::duration, "5m", "DURATION",
        "Logical: how long to wait for a table that is locked"),
    one("postgres-programs", K::path, "", "DIR",
        "Folder of pg_dump, pg_dumpall and pg_restore (default: found)"),
};
constexpr OptionSpec target_directory[] = {
    one("path", K::path, "", "DIR", "Folder to restore into"),
    flag("in-place", "Restore to where it came from"),
    choice("overwrite", "always", "always|if-changed|if-newer|never", "WHEN",
           "What to do with files that are there"),
    flag("delete", "Remove what the snapshot does not have, in the folders that it has; what the "
                   "backup left out or could not save stays"),
    flag("sparse", "Make holes of long runs of zeros"),
    flag("sync", "Return only when everything is on the disk, as far as that can be known"),
    flag("no-owner", "Do not restore owners and groups"),
    flag("numeric-owner", "Restore owners by number, whatever the names say"),
};
constexpr OptionSpec target_stream[] = {
    ranged("descriptor", K::number, "1", 0, INT32_MAX, "FD", "Descriptor to write; borrowed"),
};
constexpr OptionSpec target_archive[] = {
    choice("format", "tar", "tar|tar.zst|zip|iso9660", "FORMAT", "Format of the archive"),
    one("path", K::path, "", "FILE", "File to write (beside, renamed at the end)"),
    ranged("descriptor", K::number, "1", 0, INT32_MAX, "FD",
           "Descriptor to write if no path is given; borrowed"),
    flag("overwrite", "Replace the file if it is there"),
};
constexpr OptionSpec target_postgres[] = {
    one("directory", K::path, "", "DIR", "Folder for a physical backup's cluster: absent or empty"),
    flag("delta", "The folder may hold another state of the same cluster: rewrite what differs, "
                  "remove what is too much"),
    one("target-time", K::time, "", "TIME", "Recover up to this time"),
    one("target-lsn", K::text, "", "LSN", "Recover up to this place in the log"),
    one("target-xid", K::text, "", "XID", "Recover up to this transaction"),
    one("target-name", K::text, "", "NAME", "Recover up to this restore point"),
    flag("immediate", "Recover no further than the cluster's being consistent"),
    one("target-timeline", K::text, "", "TIMELINE",
        "Follow this timeline: a number, latest, current"),
    one("restore-command", K::text, "", "COMMAND",
        "What the server gets further log by, as in its restore_command"),
    many("map-tablespace", K::path, "OLD=NEW", "Put the tablespace that was at OLD to NEW"),
    flag("keep-archiving", "Leave archive_mode on where it was: else a copy archives nothing"),
    flag("start", "Start a server on it, and wait until it is consistent"),
    one("start-options", K::text, "", "OPTIONS", "Options of that server, such as '-p 5433'"),
    one("owner", K::text, "", "USER[:GROUP]",
        "As root: give the files to this account (default: the folder's owner, or postgres)"),
    one("conninfo", K::text, "", "CONNINFO",
        "Server for a logical backup: connection string or URI, without a password"),
    many("database", K::path, "A[=B]",
         "Logical: only database A (under the name B); may be given several times"),
    many(
        "table", K::path, "TABLE",
        "Logical: only this table (TABLE or SCHEMA.TABLE, odd names in \"\"), with all that is its "
        "own"),
    many("schema", K::path, "SCHEMA", "Logical: only this schema"),
    flag("data-only", "Logical: only rows, into tables that are there"),
    flag("schema-only", "Logical: only definitions"),
    ranged("jobs", K::number, "1", 1, 64, "N",
           "Logical: connections that load, several databases side by side"),
    flag("no-owner", "Do not restore owners and groups"),
    flag("no-grants", "Logical: do not restore rights"),
    flag("no-roles", "Logical: do not make roles that are missing"),
    flag("replace", "Logical: replace databases (with --table: tables) that are there"),
    one("postgres-programs", K::path, "", "DIR",
        "Folder of pg_dump, pg_dumpall and pg_restore (default: found)"),
};
constexpr OptionSpec restore[] = {
    pattern("include", "PATTERN", "Restore only what matches"),
    pattern("exclude", "PATTERN", "Leave out what matches"),
    many("include-file", K::path, "FILE", "Read include patterns from a file (-: standard input)"),
    ranged("strip-components", K::number, "0", 0, 4096, "N", "Drop N leading names from each path"),
    flag("verify", "Read everything again afterwards and compare"),
    flag("dry-run", "Only tell what would be done"),
    flag("list", "Tell each entry"),
    choice("thaw", "no", "no|ask|wait", "HOW",
           "Packs in an archive class of S3: have them given out, and end (ask) or wait"),
    choice("thaw-tier", "standard", "standard|bulk|expedited", "TIER",
           "How fast the archive gives out, and at what price"),
    ranged("thaw-days", K::number, "7", 1, 3650, "DAYS", "How long they can be read then"),
    ranged("thaw-wait", K::number, "72", 1, 8760, "HOURS",
           "Wait no longer when nothing came out of the archive for so long"),
};
constexpr OptionSpec filter[] = {
    many("host", K::text, "HOST", "Only snapshots of this host"),
    tag_filter("tag", "TAG[,TAG]", "Only snapshots with this tag (with all of them)"),
    many("path", K::path, "PATH", "Only snapshots of this path"),
    choice("kind", "backup", "backup|log|all", "KIND", "Only snapshots of this kind"),
};
constexpr OptionSpec snapshots[] = {
    many("host", K::text, "HOST", "Only snapshots of this host"),
    tag_filter("tag", "TAG[,TAG]", "Only snapshots with this tag (with all of them)"),
    many("path", K::path, "PATH", "Only snapshots of this path"),
    choice("kind", "backup", "backup|log|all", "KIND", "Only snapshots of this kind"),
    ranged("latest", K::number, "0", 0, INT32_MAX, "N", "Only the newest N of each group; 0: all"),
    with_form(one("group-by", K::text, "", "host,path,tag", "Form groups"), check_groups),
};
constexpr OptionSpec snapshot_edit[] = {
    tag("add", "TAG", "Add a tag"),
    tag("remove", "TAG", "Take a tag away"),
    tag("set", "TAG", "Replace all tags"),
    flag("pin", "Pin: forget never takes it"),
    flag("unpin", "Take the pin away"),
    with_form(one("comment", K::text, "", "TEXT", "Replace the comment"), check_comment),
};
constexpr OptionSpec entries[] = {
    flag("recursive", "What is in folders, too"),
    flag("problems", "Instead: the problems recorded at the backup"),
};
constexpr OptionSpec find[] = {
    pattern("pattern", "PATTERN", "What to look for: a name or path pattern as in gitignore"),
    flag("ignore-case", "Upper and lower case alike"),
    one("snapshot", K::text, "", "SNAPSHOT", "Look into this snapshot only"),
    many("host", K::text, "HOST", "Only snapshots of this host"),
    tag_filter("tag", "TAG[,TAG]", "Only snapshots with this tag (with all of them)"),
    many("path", K::path, "PATH", "Only snapshots of this path"),
};
constexpr OptionSpec diff[] = {
    flag("metadata", "Tell differences of attributes alone, too"),
};
constexpr OptionSpec stats[] = {
    many("snapshot", K::text, "SNAPSHOT", "Only these snapshots"),
    many("host", K::text, "HOST", "Only snapshots of this host"),
    tag_filter("tag", "TAG[,TAG]", "Only snapshots with this tag (with all of them)"),
    many("path", K::path, "PATH", "Only snapshots of this path"),
};
constexpr OptionSpec objects[] = {
    choice("kind", "all", "all|config|keyring|keys|packs|index|sessions|snapshots|notes|gc", "KIND",
           "Only objects of this kind"),
};
constexpr OptionSpec check[] = {
    one("read-data", K::percent, "", "PERCENT", "Read contents, too: of this part of the packs"),
};
constexpr OptionSpec scrub[] = {
    one("percent", K::percent, "100%", "PERCENT", "Part of the packs to read"),
};
constexpr OptionSpec wal_push[] = {
    one("path", K::path, "", "FILE", "A segment, or another file that a server archives"),
};
constexpr OptionSpec wal_fetch[] = {
    one("name", K::path, "", "NAME", "The file's name"),
    one("to", K::path, "", "FILE", "Where it goes (beside, renamed at the end)"),
    one("system-id", K::text, "", "ID",
        "System identifier of the cluster (default: of the data directory that FILE lies in)"),
    one("spool", K::path, "", "DIR",
        "Fetch 8 segments ahead into this folder, on the file system of the cluster"),
};
constexpr OptionSpec wal_receive[] = {
    one("conninfo", K::text, "", "CONNINFO",
        "Connection string or URI, without a password (~/.pgpass, PGPASSFILE, PGPASSWORD)"),
    one("slot", K::text, "backstay", "NAME", "The replication slot that keeps the log for us"),
    flag("create-slot", "Make the slot if it is not there"),
    flag("skip-gap", "Go on where the slot begins, though the log up to there is lost"),
};
constexpr OptionSpec cache[] = {
    flag("clean", "Remove it"),
};

#define BACKSTAY_COLLECTION_OPTIONS                                                                \
    with_form(one("max-unused", K::text, "5%", "SIZE|PERCENT", "How much unused data may stay"),   \
              check_unused_limit),                                                                 \
        ranged("max-repack-size", K::size, "0", 0, no_limit, "SIZE",                               \
               "How much to rewrite at most; 0: no limit"),                                        \
        flag("wait",                                                                               \
             "Wait for backups that are running, instead of leaving the rest to a later prune"),   \
        one("fence-after", K::duration, "24h", "DURATION",                                         \
            "End sessions elsewhere that gave no sign of life for so long"),                       \
        flag("alone",                                                                              \
             "Nobody else writes: needed where the store does not honour create-if-absent"),       \
        flag("dry-run", "Only tell what would be done")

constexpr OptionSpec forget[] = {
    many("snapshot", K::text, "SNAPSHOT", "Forget these, instead of by policy"),
    ranged("keep-last", K::number, "0", -1, INT32_MAX, "N", "Keep the last N ('unlimited': all)"),
    ranged("keep-hourly", K::number, "0", -1, INT32_MAX, "N",
           "Keep the last of each hour, for N hours that have one"),
    ranged("keep-daily", K::number, "0", -1, INT32_MAX, "N",
           "Keep the last of each day, for N days that have one"),
    ranged("keep-weekly", K::number, "0", -1, INT32_MAX, "N",
           "Keep the last of each week, for N weeks that have one"),
    ranged("keep-monthly", K::number, "0", -1, INT32_MAX, "N",
           "Keep the last of each month, for N months that have one"),
    ranged("keep-quarterly", K::number, "0", -1, INT32_MAX, "N",
           "Keep the last of each quarter, for N quarters that have one"),
    ranged("keep-yearly", K::number, "0", -1, INT32_MAX, "N",
           "Keep the last of each year, for N years that have one"),
    one("keep-within", K::duration, "", "DURATION",
        "Keep all that are not older than this before the newest"),
    one("keep-within-hourly", K::duration, "", "DURATION",
        "Keep the last of each hour within this time"),
    one("keep-within-daily", K::duration, "", "DURATION",
        "Keep the last of each day within this time"),
    one("keep-within-weekly", K::duration, "", "DURATION",
        "Keep the last of each week within this time"),
    one("keep-within-monthly", K::duration, "", "DURATION",
        "Keep the last of each month within this time"),
    one("keep-within-quarterly", K::duration, "", "DURATION",
        "Keep the last of each quarter within this time"),
    one("keep-within-yearly", K::duration, "", "DURATION",
        "Keep the last of each year within this time"),
    tag_filter("keep-tag", "TAG[,TAG]", "Keep all with this tag (with all of them)"),
    with_form(one("group-by", K::text, "host,path", "host,path,tag",
                  "Apply the policy to each group by itself ('': all together)"),
              check_groups),
    many("host", K::text, "HOST", "Look only at snapshots of this host"),
    tag_filter("tag", "TAG[,TAG]", "Look only at snapshots with this tag (with all of them)"),
    many("path", K::path, "PATH", "Look only at snapshots of this path"),
    flag("prune", "Give the space back right afterwards"),
    BACKSTAY_COLLECTION_OPTIONS,
};
constexpr OptionSpec prune[] = {BACKSTAY_COLLECTION_OPTIONS};

#undef BACKSTAY_COLLECTION_OPTIONS

constexpr OptionScope scopes[] = {
    {"engine", "Threads, memory, cache, limits", engine},
    {"store", "Where objects lie", store},
    {"repository", "Opening a repository", repository},
    {"init", "Making a repository", init},
    {"backup", "One snapshot", backup},
    {"backup.source", "A source within a backup", backup_source},
    {"source.tree", "Directory trees", source_tree},
    {"source.stream", "A descriptor", source_stream},
    {"source.command", "A command's output", source_command},
    {"source.archive", "An archive's entries", source_archive},
    {"source.postgres", "A PostgreSQL server", source_postgres},
    {"target.directory", "A folder", target_directory},
    {"target.stream", "A descriptor", target_stream},
    {"target.archive", "An archive", target_archive},
    {"target.postgres", "A PostgreSQL server or cluster", target_postgres},
    {"restore", "Restoring", restore},
    {"filter", "Which snapshots", filter},
    {"snapshots", "Listing snapshots", snapshots},
    {"snapshot.edit", "Changing what may change about a snapshot", snapshot_edit},
    {"entries", "Listing entries", entries},
    {"find", "Finding entries", find},
    {"diff", "Comparing snapshots", diff},
    {"stats", "Sizes", stats},
    {"objects", "Listing objects", objects},
    {"check", "Is the repository whole", check},
    {"scrub", "Do packs hash to their names", scrub},
    {"selftest", "Is a store fit to hold a repository", {}},
    {"verify", "Does a snapshot equal its living source", {}},
    {"forget", "Retention", forget},
    {"prune", "Giving space back", prune},
    {"wal.push", "Archiving a file of a server's log", wal_push},
    {"wal.fetch", "Fetching a file of a server's log", wal_fetch},
    {"wal.receive", "Receiving a server's log", wal_receive},
    {"cache", "The cache", cache},
};

} // namespace

std::span<const OptionScope> option_table()
{
    return scopes;
}

} // namespace backstay::core
