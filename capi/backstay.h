/* backstay.h - the C ABI of backstay, a backup engine. Installed as <backstay/backstay.h>. C99; C++11 and later.
 *
 * Rules that hold for every function below; each one's comment says only what is its own.
 *
 * R1 A BACKSTAY_CALL returns a status and takes a last `backstay_error **` that may be NULL (nothing is allocated then). Other
 *    outputs are written on OK only. Options and cancel may be NULL: defaults, never cancelled. NULL where a handle is needed, or an
 *    impossible argument, is E_INVALID.
 * R2 [own]: a handle that comes out by `backstay_x **`; release it with x_free (NULL is fine; it cannot fail; only job_free and the
 *    last engine_free may block). [ref]: all else that comes out; borrowed until its parent is freed or advanced.
 * R3 Text is UTF-8 with a NUL. Paths are raw bytes with a length, '/'-separated, without NUL; BACKSTAY_NUL as the length means up to
 *    the NUL. A path into a snapshot: "" is its root, which has a child for each source; "/a/b" is a/b inside the source "files";
 *    else it is relative to the root. Sizes of data are uint64_t, of memory size_t. Times are int64_t seconds since 1970, UTC, and
 *    nanoseconds. Timeouts are int64_t nanoseconds, < 0: for ever.
 * R4 [mt] handles may be used from any threads at once: engine, cancel, repository, view, stream, store; a callback while the call
 *    that got it lasts; of a job progress and descriptor. Every other handle: any thread, one at a time.
 * R5 Arguments are copied or held: the caller may free its own when the call returns. Children keep a parent's memory alive;
 *    repository_close() ends its I/O, and what hangs on it says E_CLOSED from then on.
 * R6 In a callback only callback_*, record_*, error_* and cancel_trigger may be called, and view_*, tree_*, stream_* on the view that the callback
 *    was given. Anything else says E_REENTRANT. A callback must not throw or jump out.
 *
 * Everything is since 0.1.0 unless its comment says otherwise. */
#ifndef BACKSTAY_H
#define BACKSTAY_H

#include <stddef.h>
#include <stdint.h>

#ifndef BACKSTAY_API /* generators of foreign-function interfaces define it empty */
#define BACKSTAY_API __attribute__((visibility("default")))
#endif
#define BACKSTAY_CALL BACKSTAY_API backstay_status
#define BACKSTAY_VERSION_NUMBER 0x000100 /* 0.1.0 */
#define BACKSTAY_NUL SIZE_MAX            /* as a length: up to the NUL */

#ifdef __cplusplus
extern "C" {
#endif

typedef int32_t backstay_status; /* an open set: an unknown negative is a failure */

typedef struct backstay_error backstay_error;
typedef struct backstay_record backstay_record;
typedef struct backstay_options backstay_options;
typedef struct backstay_engine backstay_engine;
typedef struct backstay_cancel backstay_cancel;
typedef struct backstay_store backstay_store;
typedef struct backstay_source backstay_source;
typedef struct backstay_target backstay_target;
typedef struct backstay_repository backstay_repository;
typedef struct backstay_snapshot backstay_snapshot;
typedef struct backstay_view backstay_view;
typedef struct backstay_tree backstay_tree;
typedef struct backstay_stream backstay_stream;
typedef struct backstay_backup backstay_backup;
typedef struct backstay_job backstay_job;
typedef struct backstay_callback backstay_callback;

/* -- status, error, version ------------------------------------------------------------------------------------------------- */

enum {
    BACKSTAY_OK = 0,
    BACKSTAY_DONE = 1,    /* nothing more comes */
    BACKSTAY_PENDING = 2, /* not yet */
    BACKSTAY_E_INTERNAL = -1,
    BACKSTAY_E_NO_MEMORY = -2,
    BACKSTAY_E_INVALID = -3,
    BACKSTAY_E_UNSUPPORTED = -4,
    BACKSTAY_E_CLOSED = -5,
    BACKSTAY_E_REENTRANT = -6,
    BACKSTAY_E_FORKED = -7, /* the handle was made before a fork, in the parent; freeing it in the child does nothing */
    BACKSTAY_E_CANCELLED = -8,
    BACKSTAY_E_HOST = -9, /* a host's callback failed without saying how */
    BACKSTAY_E_STORAGE = -20,
    BACKSTAY_E_NOT_FOUND = -21,
    BACKSTAY_E_EXISTS = -22,
    BACKSTAY_E_BUSY = -23,
    BACKSTAY_E_DENIED = -24,
    BACKSTAY_E_DAMAGED = -25,
    BACKSTAY_E_NO_SPACE = -26,
    BACKSTAY_E_UNAVAILABLE = -27, /* for now; the only one that the library tries again by itself */
    BACKSTAY_E_KEY = -28,         /* the passphrase or key opens no slot */
    BACKSTAY_E_FENCED = -29,      /* ended by a collector elsewhere: a silent session, a snapshot forgotten while it is read */
    BACKSTAY_E_CONFLICT = -30,
    BACKSTAY_E_SOURCE = -31,
    BACKSTAY_E_TARGET = -32
};

/* "ok", "not-found" and so on; "unknown" for a status this library does not know. [ref], static. [mt] */
BACKSTAY_API const char *backstay_status_name(backstay_status status);

BACKSTAY_API backstay_status backstay_error_status(const backstay_error *error); /* OK for NULL */
/* What went wrong, where, and what to do. [ref] of the error; "" for NULL. */
BACKSTAY_API const char *backstay_error_message(const backstay_error *error);
/* The path or object it is about, raw bytes with a NUL behind them; *length may be NULL. [ref]; "" if there is none. */
BACKSTAY_API const char *backstay_error_subject(const backstay_error *error, size_t *length);
BACKSTAY_API int32_t backstay_error_errno(const backstay_error *error);    /* of the failed system call, or 0 */
BACKSTAY_API uint64_t backstay_error_host_tag(const backstay_error *error); /* see callback_fail; or 0 */
BACKSTAY_API void backstay_error_free(backstay_error *error);

BACKSTAY_API uint32_t backstay_version(void); /* of the loaded library, as BACKSTAY_VERSION_NUMBER */
/* What is built in: version, format, sources, targets, stores. *record: [own]. */
BACKSTAY_CALL backstay_library_describe(backstay_record **record, backstay_error **error);

/* -- record: the one type of result ------------------------------------------------------------------------------------------ */

enum {
    BACKSTAY_FIELD_NONE = 0,
    BACKSTAY_FIELD_NUMBER = 1,
    BACKSTAY_FIELD_FLAG = 2,
    BACKSTAY_FIELD_TEXT = 3,
    BACKSTAY_FIELD_BYTES = 4,
    BACKSTAY_FIELD_TIME = 5,
    BACKSTAY_FIELD_DURATION = 6,
    BACKSTAY_FIELD_RECORD = 7,
    BACKSTAY_FIELD_LIST = 8
};

/* A visible struct begins with its size as the caller knows it: inputs that are shorter than ours read as zeros, longer ones must
 * have a zero tail; outputs are never written beyond the caller's size. Reserved members are 0. */
typedef struct backstay_field {
    uint32_t struct_size, kind, nanoseconds, reserved;
    int64_t number;                /* number; flag: 0, 1; time, duration: seconds, with nanoseconds */
    const char *name;              /* NULL in a list */
    const backstay_record *record; /* record, list: [ref] of the record it is in */
    const char *data;              /* text (a NUL follows), bytes */
    size_t length;
} backstay_field;

/* Fields in order, `type` among them. The out field's struct_size must be set; they return the kind, NONE if there is no such field. */
BACKSTAY_API size_t backstay_record_count(const backstay_record *record);
BACKSTAY_API uint32_t backstay_record_at(const backstay_record *record, size_t index, backstay_field *out);
BACKSTAY_API uint32_t backstay_record_get(const backstay_record *record, const char *name, backstay_field *out);
/* `otherwise` where there is no such field of a fitting kind (number, flag, time and duration in seconds; text, bytes). */
BACKSTAY_API int64_t backstay_record_number(const backstay_record *record, const char *name, int64_t otherwise);
BACKSTAY_API const char *backstay_record_text(const backstay_record *record, const char *name, const char *otherwise);
/* One line of JSON without newline: times as RFC 3339, durations in seconds, bytes as text with NAME_b64 beside it where they are no
 * UTF-8. [ref] of the record. */
BACKSTAY_CALL backstay_record_json(const backstay_record *record, const char **json, size_t *length, backstay_error **error);
/* kind: BACKSTAY_FIELD_RECORD or _LIST. *record: [own]. */
BACKSTAY_CALL backstay_record_new(uint32_t kind, backstay_record **record, backstay_error **error);
BACKSTAY_CALL backstay_record_add(backstay_record *record, const backstay_field *field, backstay_error **error); /* copies */
BACKSTAY_API void backstay_record_free(backstay_record *record);

/* -- options of a scope: "backup" for backup_new, "source.tree" for source_open_tree, "prune" for prune_start ------------------ */

/* E_INVALID names the nearest scope. *options: [own]. */
BACKSTAY_CALL backstay_options_new(const char *scope, backstay_options **options, backstay_error **error);
/* Key, kind and limits are checked here; E_INVALID names the nearest key. `set` replaces, `add` appends to a repeatable one. _text takes
 * any kind in the command's spelling ("36h", "5%", "1GiB"); _bytes paths and patterns that may not be UTF-8. */
BACKSTAY_CALL backstay_options_set_number(backstay_options *options, const char *key, int64_t value, backstay_error **error);
BACKSTAY_CALL backstay_options_set_flag(backstay_options *options, const char *key, int32_t value, backstay_error **error);
BACKSTAY_CALL backstay_options_set_text(backstay_options *options, const char *key, const char *value, backstay_error **error);
BACKSTAY_CALL backstay_options_add_text(backstay_options *options, const char *key, const char *value, backstay_error **error);
BACKSTAY_CALL backstay_options_add_bytes(backstay_options *options, const char *key, const char *value, size_t length,
                                         backstay_error **error);
/* Copied into memory that is locked, kept out of core dumps, and wiped in the end. */
BACKSTAY_CALL backstay_options_set_secret(backstay_options *options, const char *key, const uint8_t *value, size_t length,
                                          backstay_error **error);
/* A list of records, one an option: key, kind, repeatable, default, least, most, choices, placeholder, help. scope NULL: the scopes. *list: [own]. */
BACKSTAY_CALL backstay_options_describe(const char *scope, backstay_record **list, backstay_error **error);
BACKSTAY_API void backstay_options_free(backstay_options *options);

/* -- engine: threads, memory, limits, log; cancellation ---------------------------------------------------------------------- */

/* Gets {"type":"log","level","message"}; level: "warning" for what a user should know at once (a store that goes on failing
 * and is tried again), "debug" for each request to a bucket, without secrets. Never two calls at once; from any of the engine's threads. The record is [ref] for the call. */
typedef void (*backstay_log)(void *user, const backstay_record *line);

/* Options of scope "engine". `log` may be NULL. destroy(user) runs exactly once: when the engine's last user has gone, or if this fails. *engine: [own]. */
BACKSTAY_CALL backstay_engine_new(const backstay_options *options, backstay_log log, void *user, void (*destroy)(void *),
                                  backstay_engine **engine, backstay_error **error);
BACKSTAY_API void backstay_engine_free(backstay_engine *engine);

/* A token is sticky: once triggered, every call and job that was given it ends with E_CANCELLED soon. *cancel: [own]; what runs holds
 * a reference of its own. */
BACKSTAY_CALL backstay_cancel_new(backstay_cancel **cancel, backstay_error **error);
BACKSTAY_API void backstay_cancel_trigger(backstay_cancel *cancel); /* async-signal-safe: an atomic store and a write to an eventfd */
BACKSTAY_API void backstay_cancel_free(backstay_cancel *cancel);

/* -- entries: what sources give and snapshots hold ---------------------------------------------------------------------------- */

enum {
    BACKSTAY_KIND_FILE = 1,
    BACKSTAY_KIND_DIRECTORY = 2,
    BACKSTAY_KIND_SYMLINK = 3,
    BACKSTAY_KIND_HARD_LINK = 4,
    BACKSTAY_KIND_BLOCK_DEVICE = 5,
    BACKSTAY_KIND_CHARACTER_DEVICE = 6,
    BACKSTAY_KIND_FIFO = 7,
    BACKSTAY_KIND_SOCKET = 8,
    BACKSTAY_KIND_IMAGE = 9
};
enum { /* which members hold something */
    BACKSTAY_HAS_SIZE = 1,
    BACKSTAY_HAS_MODE = 2,
    BACKSTAY_HAS_USER = 4,
    BACKSTAY_HAS_GROUP = 8,
    BACKSTAY_HAS_MODIFIED = 16,
    BACKSTAY_HAS_CHANGED = 32,
    BACKSTAY_HAS_CREATED = 64,
    BACKSTAY_HAS_LINK = 128,
    BACKSTAY_HAS_DEVICE = 256,
    BACKSTAY_HAS_FILE_FLAGS = 512
};
enum {
    BACKSTAY_ENTRY_SEQUENTIAL = 1, /* from a source: its bytes are read before the lane's next entry, or never */
    BACKSTAY_ENTRY_SPARSE = 2,     /* next_data says where data lies */
    BACKSTAY_ENTRY_DAMAGED = 4,    /* kept, but not whole */
    BACKSTAY_ENTRY_CONTENTS_LEFT_OUT = 8 /* a folder, what is in it on purpose not: a restore removes nothing there */
};
enum { BACKSTAY_CHUNK_DEFAULT = 0, BACKSTAY_CHUNK_CDC = 1, BACKSTAY_CHUNK_GRID = 2, BACKSTAY_CHUNK_NONE = 3 };

typedef struct backstay_xattr { /* ACLs too, in the kernel's form; never grows */
    const char *name;
    size_t name_length;
    const uint8_t *value;
    size_t value_length;
} backstay_xattr;

/* Pointers are kept by whoever filled them until its next call on that lane or tree. */
typedef struct backstay_entry {
    uint32_t struct_size, kind, flags, present; /* BACKSTAY_KIND_*, _ENTRY_*, _HAS_* */
    const char *path; /* relative; no name in it is "", "." or ".." */
    size_t path_length;
    const char *link_target; /* of a symlink, or of a hard link whose first name is known */
    size_t link_target_length;
    const uint8_t *change_token; /* the parent's bytes again: taken over unread; none: read */
    size_t change_token_length;
    const char *base; /* path in the parent, for reuse; none: the same path */
    size_t base_length;
    const char *user; /* names, beside the numbers */
    size_t user_length;
    const char *group;
    size_t group_length;
    const backstay_xattr *xattrs;
    size_t xattr_count;
    uint64_t item;                     /* the source's own name for it in read, next_data, release */
    uint64_t size, device, file_flags; /* device: major << 32 | minor; file_flags: as FS_IOC_GETFLAGS */
    uint64_t link[2];                  /* device and inode, opaque: equal is one file */
    int64_t modified_s, changed_s, created_s;
    uint32_t modified_ns, changed_ns, created_ns, mode, user_id, group_id;
    uint32_t chunk_policy, chunk_size; /* CDC: average; GRID: size; 0: by kind */
} backstay_entry;

/* -- inside a callback -------------------------------------------------------------------------------------------------------- */

BACKSTAY_API int32_t backstay_callback_is_cancelled(const backstay_callback *callback);
BACKSTAY_API int backstay_callback_cancel_descriptor(const backstay_callback *callback); /* readable: cancelled */
/* Says why the callback fails; returns `status`, to be returned. The tag comes out of error_host_tag. */
BACKSTAY_API backstay_status backstay_callback_fail(backstay_callback *callback, backstay_status status, const char *message,
                                                    size_t length, uint64_t host_tag);
/* Something in the way of one entry. OK: go on. `status` E_DAMAGED marks the entry of that path as not whole. */
BACKSTAY_API backstay_status backstay_callback_problem(backstay_callback *callback, backstay_status status, const char *path,
                                                       size_t path_length, const char *message, size_t message_length);
/* The parent's entry of that path, or E_NOT_FOUND; [ref] until the callback returns. */
BACKSTAY_API backstay_status backstay_callback_parent_lookup(backstay_callback *callback, const char *path, size_t length,
                                                             backstay_entry *out);

/* -- a host's source ----------------------------------------------------------------------------------------------------------
 * Outputs come zeroed, struct_size set; a record in them is the library's, for the host to fill. Lanes are drained side by side, each by one
 * thread at a time. An entry is read at once, later, in pieces, again or never, unless it is SEQUENTIAL; at most 256 of a lane are
 * unreleased; OK with *got 0 is its end. A failed read is a problem of its entry; a failed open, next or finish ends the source. settle
 * comes exactly once after each open that succeeded, on failure and cancel too; then the source may be opened again. */

enum { BACKSTAY_VERDICT_OK = 1, BACKSTAY_VERDICT_DAMAGED = 2 /* kept, and marked */, BACKSTAY_VERDICT_FAILED = 3 };

typedef struct backstay_session { /* entries, bytes: expected; 0: not known */
    uint32_t struct_size, lane_count;
    uint64_t entries, bytes;
} backstay_session;

typedef struct backstay_verdict {
    uint32_t struct_size, verdict; /* left 0: failed */
    uint64_t problems;             /* besides those reported one by one */
    backstay_record *record;       /* kept in the snapshot; the next open finds it by view_record */
    const char *message;           /* why; NULL is fine */
} backstay_verdict;

typedef struct backstay_source_vtable {
    uint32_t struct_size, flags; /* flags: 0 */
    backstay_status (*probe)(void *self, backstay_callback *, backstay_record *out); /* optional */
    backstay_status (*open)(void *self, backstay_callback *, backstay_view *parent /* until settle; or NULL */, backstay_session *out);
    backstay_status (*next)(void *self, backstay_callback *, uint32_t lane, backstay_entry *out); /* or DONE */
    backstay_status (*read)(void *self, backstay_callback *, uint32_t lane, uint64_t item, uint64_t offset, uint8_t *, size_t, size_t *got);
    backstay_status (*next_data)(void *self, backstay_callback *, uint32_t lane, uint64_t item, uint64_t offset, uint64_t *begin,
                                 uint64_t *end); /* of SPARSE entries; DONE: a hole to the end */
    void (*release)(void *self, uint32_t lane, uint64_t item); /* optional; once for each entry given, before settle */
    backstay_status (*finish)(void *self, backstay_callback *, backstay_verdict *out); /* all lanes done, before the commit */
    backstay_status (*settle)(void *self, backstay_callback *, int32_t committed); /* optional; 0: not, or not known */
    void (*destroy)(void *self); /* optional; exactly once, also if source_new fails */
} backstay_source_vtable;

/* -- stores, sources, targets ------------------------------------------------------------------------------------------------- */

/* uri: a path, file:///path, s3://bucket/prefix, s3+http(s)://host:port/bucket/prefix, memory:NAME (lives as long as the engine). Options of
   scope "store"; flag `create` makes the folder, never a bucket. *store: [own]. */
BACKSTAY_CALL backstay_store_open(backstay_engine *engine, const char *uri, const backstay_options *options, backstay_cancel *cancel,
                                  backstay_store **store, backstay_error **error);
/* uri, kind, exclusive_create (as probed now), note, free. *record: [own]. */
BACKSTAY_CALL backstay_store_describe(backstay_store *store, backstay_cancel *cancel, backstay_record **record, backstay_error **error);
/* Requests that a store bills, since it was opened, as far as they left: writes (PUT, POST, LIST), reads (GET, HEAD), removes, retries (how often one
   was made again, also where it reached nobody), bytes_sent, bytes_received, cost_millionths (an estimate by option s3-prices). Without fields for a
   store that bills none. *record: [own]. */
BACKSTAY_CALL backstay_store_traffic(backstay_store *store, backstay_record **record, backstay_error **error);
BACKSTAY_API void backstay_store_free(backstay_store *store);

/* Ours: the place is an option. A source serves one job at a time: E_BUSY. *source: [own]. Scopes "source.tree" (path…), "source.stream" (descriptor, borrowed;
 * name), "source.command" (argument…; name), "source.archive" (path), "source.postgres" (conninfo, method…; a password in it is E_INVALID). */
BACKSTAY_CALL backstay_source_open_tree(backstay_engine *engine, const backstay_options *options, backstay_source **source,
                                        backstay_error **error);
BACKSTAY_CALL backstay_source_open_stream(backstay_engine *engine, const backstay_options *options, backstay_source **source,
                                          backstay_error **error);
BACKSTAY_CALL backstay_source_open_command(backstay_engine *engine, const backstay_options *options, backstay_source **source,
                                           backstay_error **error);
BACKSTAY_CALL backstay_source_open_archive(backstay_engine *engine, const backstay_options *options, backstay_source **source,
                                           backstay_error **error);
BACKSTAY_CALL backstay_source_open_postgres(backstay_engine *engine, const backstay_options *options, backstay_source **source,
                                            backstay_error **error);
/* A host's: the table is copied; destroy(self) runs exactly once. */
BACKSTAY_CALL backstay_source_new(backstay_engine *engine, const backstay_source_vtable *vtable, void *self, backstay_source **source,
                                  backstay_error **error);
/* What it is, version, what it can do. *record: [own]. */
BACKSTAY_CALL backstay_source_probe(backstay_source *source, backstay_cancel *cancel, backstay_record **record, backstay_error **error);
BACKSTAY_API void backstay_source_free(backstay_source *source);

/* Scopes "target.directory" (path, or in-place), "target.stream" (descriptor, borrowed), "target.archive" (path or descriptor; format),
 * "target.postgres" (conninfo of a server for databases, or directory for a cluster…). A target serves one job: E_INVALID. *target: [own]. */
BACKSTAY_CALL backstay_target_open_directory(backstay_engine *engine, const backstay_options *options, backstay_target **target,
                                             backstay_error **error);
BACKSTAY_CALL backstay_target_open_stream(backstay_engine *engine, const backstay_options *options, backstay_target **target,
                                          backstay_error **error);
BACKSTAY_CALL backstay_target_open_archive(backstay_engine *engine, const backstay_options *options, backstay_target **target,
                                           backstay_error **error);
BACKSTAY_CALL backstay_target_open_postgres(backstay_engine *engine, const backstay_options *options, backstay_target **target,
                                            backstay_error **error);
BACKSTAY_API void backstay_target_free(backstay_target *target);

/* -- repository --------------------------------------------------------------------------------------------------------------- */

/* Makes a repository. Options of scope "init" (among them the passphrase or key file). parameters_from: takes chunker and id keys' parameters from
 * there, or NULL. E_EXISTS if there is one. *repository: [own]. */
BACKSTAY_CALL backstay_repository_init(backstay_store *store, backstay_repository *parameters_from, const backstay_options *options,
                                       backstay_cancel *cancel, backstay_repository **repository, backstay_error **error);
/* Options of scope "repository". E_NOT_FOUND, E_KEY, E_UNSUPPORTED (another format), E_DAMAGED. *repository: [own]. */
BACKSTAY_CALL backstay_repository_open(backstay_store *store, const backstay_options *options, backstay_cancel *cancel,
                                       backstay_repository **repository, backstay_error **error);
/* id, version, created, encrypted, features, chunker, pack_size, store. *record: [own]. */
BACKSTAY_CALL backstay_repository_describe(backstay_repository *repository, backstay_cancel *cancel, backstay_record **record,
                                           backstay_error **error);
BACKSTAY_CALL backstay_repository_close(backstay_repository *repository, backstay_error **error);
BACKSTAY_API void backstay_repository_free(backstay_repository *repository);
/* Any object of the store that is not a pack, as a record (type, features, class, signer, contents). *record: [own]. */
BACKSTAY_CALL backstay_object_describe(backstay_repository *repository, const char *name, backstay_cancel *cancel,
                                       backstay_record **record, backstay_error **error);
/* Size of the cache folder, and with flag `clean` removes it. Scope "cache". *record: [own]. */
BACKSTAY_CALL backstay_cache_clean(backstay_engine *engine, const backstay_options *options, backstay_cancel *cancel,
                                   backstay_record **record, backstay_error **error);

/* -- snapshots, and reading them ---------------------------------------------------------------------------------------------- */

/* name: an id, an unambiguous prefix, "latest", "latest~2"; filter: options of scope "filter". *snapshot: [own]. */
BACKSTAY_CALL backstay_snapshot_open(backstay_repository *repository, const char *name, const backstay_options *filter,
                                     backstay_cancel *cancel, backstay_snapshot **snapshot, backstay_error **error);
BACKSTAY_API const backstay_record *backstay_snapshot_record(const backstay_snapshot *snapshot); /* [ref] */
/* Tags, pin, comment: scope "snapshot.edit". The handle shows the change. */
BACKSTAY_CALL backstay_snapshot_edit(backstay_snapshot *snapshot, const backstay_options *changes, backstay_cancel *cancel,
                                     backstay_error **error);
BACKSTAY_API void backstay_snapshot_free(backstay_snapshot *snapshot);

/* What lies at or below `path`. It announces a reader's session where it may, so that a prune elsewhere waits for it. *view: [own]. [mt] */
BACKSTAY_CALL backstay_view_open(backstay_snapshot *snapshot, const char *path, size_t length, backstay_cancel *cancel,
                                 backstay_view **view, backstay_error **error);
BACKSTAY_API const backstay_record *backstay_view_record(const backstay_view *view); /* the source's own record, or NULL. [ref] */
BACKSTAY_API void backstay_view_free(backstay_view *view);

/* A folder's entries (all below it if `recursive`), each folder before what is in it; paths are relative to the view. *tree: [own]. */
BACKSTAY_CALL backstay_tree_open(backstay_view *view, const char *path, size_t length, int32_t recursive, backstay_tree **tree,
                                 backstay_error **error);
BACKSTAY_CALL backstay_tree_self(backstay_tree *tree, backstay_entry *out, backstay_error **error); /* the folder itself */
BACKSTAY_CALL backstay_tree_next(backstay_tree *tree, backstay_entry *out, backstay_error **error); /* or DONE */
BACKSTAY_API void backstay_tree_free(backstay_tree *tree);

/* A file's bytes. *stream: [own]. [mt] */
BACKSTAY_CALL backstay_stream_open(backstay_view *view, const char *path, size_t length, backstay_stream **stream, backstay_error **error);
BACKSTAY_API uint64_t backstay_stream_size(const backstay_stream *stream);
/* *got < size only at the end. */
BACKSTAY_CALL backstay_stream_read_at(backstay_stream *stream, uint64_t offset, uint8_t *buffer, size_t size, size_t *got,
                                      backstay_error **error);
/* The next stretch of data at or after `offset`; DONE if only a hole is left. */
BACKSTAY_CALL backstay_stream_next_data(backstay_stream *stream, uint64_t offset, uint64_t *begin, uint64_t *end, backstay_error **error);
BACKSTAY_API void backstay_stream_free(backstay_stream *stream);

/* -- jobs: started, then pulled -------------------------------------------------------------------------------------------------
 * A job gives records: problems, listings (it pauses while 1,024 of those wait), and the summary last, on failure too; then DONE. job_wait gives the
 * job's own status. An operation that finished with problems is OK: its summary has `problems` > 0 and a `verdict` (ok, problems, damaged).
 * Problems are never dropped: beyond some memory unread ones wait in an unnamed temporary file. */

/* The next record ([own]), PENDING when the time is over, or DONE. */
BACKSTAY_CALL backstay_job_next(backstay_job *job, int64_t timeout_ns, backstay_record **record, backstay_error **error);
/* Waits for the end: the job's own status, or PENDING. E_INVALID if the job gives listings and job_next has not yet said DONE. */
BACKSTAY_CALL backstay_job_wait(backstay_job *job, int64_t timeout_ns, backstay_error **error);
BACKSTAY_API const backstay_record *backstay_job_summary(const backstay_job *job); /* NULL before the end. [ref] */
/* entries, entries_total, bytes, bytes_total (0: not known), problems, current, seconds. *record: [own]. [mt] */
BACKSTAY_CALL backstay_job_progress(backstay_job *job, backstay_record **record, backstay_error **error);
BACKSTAY_API int backstay_job_descriptor(const backstay_job *job); /* readable: a record or the end waits; the library's, do not close. [mt] */
BACKSTAY_API void backstay_job_free(backstay_job *job);            /* cancels, joins */

/* One snapshot of all sources, or none. Options of scope "backup"; of add_source "backup.source": optional, after. A source's name is a child of
 * the root; it ends in a "source" record with its verdict. *backup, *job: [own]. */
BACKSTAY_CALL backstay_backup_new(backstay_repository *repository, const backstay_options *options, backstay_backup **backup,
                                  backstay_error **error);
BACKSTAY_CALL backstay_backup_add_source(backstay_backup *backup, const char *name, backstay_source *source,
                                         const backstay_options *options, backstay_error **error);
BACKSTAY_CALL backstay_backup_start(backstay_backup *backup, backstay_cancel *cancel, backstay_job **job, backstay_error **error);
BACKSTAY_API void backstay_backup_free(backstay_backup *backup);

/* All *job: [own]; the options' scope is the name between backstay_ and _start. */
BACKSTAY_CALL backstay_restore_start(backstay_snapshot *snapshot, const char *path, size_t length, backstay_target *target,
                                     const backstay_options *options, backstay_cancel *cancel, backstay_job **job, backstay_error **error);
/* source NULL: as the snapshot recorded it (trees). */
BACKSTAY_CALL backstay_verify_start(backstay_snapshot *snapshot, const char *source_name, backstay_source *source,
                                    const backstay_options *options, backstay_cancel *cancel, backstay_job **job, backstay_error **error);
BACKSTAY_CALL backstay_entries_start(backstay_snapshot *snapshot, const char *path, size_t length, const backstay_options *options,
                                     backstay_cancel *cancel, backstay_job **job, backstay_error **error);
BACKSTAY_CALL backstay_diff_start(backstay_snapshot *before, const char *path, size_t length, backstay_snapshot *after,
                                  const char *after_path, size_t after_length, const backstay_options *options, backstay_cancel *cancel,
                                  backstay_job **job, backstay_error **error);
BACKSTAY_CALL backstay_check_start(backstay_repository *repository, const backstay_options *options, backstay_cancel *cancel,
                                   backstay_job **job, backstay_error **error);
BACKSTAY_CALL backstay_scrub_start(backstay_store *store, const backstay_options *options, backstay_cancel *cancel, backstay_job **job,
                                   backstay_error **error);
/* Is this store fit to hold a repository? Tries on the very place what the engine relies on; a record "test" each, docs/json.md. Makes and removes
   objects selftest-*. Takes no options. */
BACKSTAY_CALL backstay_store_selftest_start(backstay_store *store, const backstay_options *options, backstay_cancel *cancel, backstay_job **job,
                                            backstay_error **error);
BACKSTAY_CALL backstay_snapshots_start(backstay_repository *repository, const backstay_options *options, backstay_cancel *cancel,
                                       backstay_job **job, backstay_error **error);
BACKSTAY_CALL backstay_objects_start(backstay_repository *repository, const backstay_options *options, backstay_cancel *cancel,
                                     backstay_job **job, backstay_error **error);
BACKSTAY_CALL backstay_find_start(backstay_repository *repository, const backstay_options *options, backstay_cancel *cancel,
                                  backstay_job **job, backstay_error **error);
BACKSTAY_CALL backstay_stats_start(backstay_repository *repository, const backstay_options *options, backstay_cancel *cancel,
                                   backstay_job **job, backstay_error **error);
BACKSTAY_CALL backstay_forget_start(backstay_repository *repository, const backstay_options *options, backstay_cancel *cancel,
                                    backstay_job **job, backstay_error **error);
BACKSTAY_CALL backstay_prune_start(backstay_repository *repository, const backstay_options *options, backstay_cancel *cancel,
                                   backstay_job **job, backstay_error **error);
/* PostgreSQL's write-ahead log. Push: one file in, as archive_command needs it (scope "wal.push"; OK: it is stored durably; E_CONFLICT: another of
 * that name is there). Fetch: one out, as restore_command needs it (scope "wal.fetch"; E_NOT_FOUND: there is none). Receive: all of a replication
 * slot, for ever (scope "wal.receive"), acknowledged when it is stored; ends by cancel; gives a "segment" record each. */
BACKSTAY_CALL backstay_wal_push_start(backstay_repository *repository, const backstay_options *options, backstay_cancel *cancel,
                                      backstay_job **job, backstay_error **error);
BACKSTAY_CALL backstay_wal_fetch_start(backstay_repository *repository, const backstay_options *options, backstay_cancel *cancel,
                                       backstay_job **job, backstay_error **error);
BACKSTAY_CALL backstay_wal_receive_start(backstay_repository *repository, const backstay_options *options, backstay_cancel *cancel,
                                         backstay_job **job, backstay_error **error);

#ifdef __cplusplus
}
#endif
#endif
