/* The C ABI from C: a host's own source, records, options, cancel, errors, and what hangs on what.
 */
#include <backstay/backstay.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures = 0;

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            ++failures;                                                                            \
        }                                                                                          \
    } while (0)

typedef struct host {
    int next_given, destroyed, settled, committed, reentered, fail_read;
    backstay_engine* engine;
} host;

static const char text[] = "colour = blue\n";

static backstay_status on_open(void* self, backstay_callback* cb, backstay_view* parent,
                               backstay_session* out)
{
    host* own = self;
    backstay_options* options = NULL;
    (void)cb;
    own->next_given = 0;
    own->reentered = backstay_options_new("backup", &options, NULL);
    if (parent != NULL) {
        backstay_stream* stream = NULL;
        uint8_t buffer[64];
        size_t got = 0;
        CHECK(backstay_stream_open(parent, "settings.ini", BACKSTAY_NUL, &stream, NULL) ==
              BACKSTAY_OK);
        CHECK(backstay_stream_read_at(stream, 0, buffer, sizeof buffer, &got, NULL) == BACKSTAY_OK);
        CHECK(got == sizeof text - 1 && memcmp(buffer, text, got) == 0);
        CHECK(backstay_record_number(backstay_view_record(parent), "runs", 0) == 1);
        backstay_stream_free(stream);
    }
    out->lane_count = 1;
    return BACKSTAY_OK;
}

static backstay_status on_next(void* self, backstay_callback* cb, uint32_t lane,
                               backstay_entry* out)
{
    host* own = self;
    (void)cb, (void)lane;
    out->kind = BACKSTAY_KIND_FILE;
    out->path = "settings.ini";
    out->path_length = strlen(out->path);
    out->present = BACKSTAY_HAS_MODE;
    out->mode = 0600;
    return own->next_given++ ? BACKSTAY_DONE : BACKSTAY_OK;
}

static backstay_status on_read(void* self, backstay_callback* cb, uint32_t lane, uint64_t item,
                               uint64_t offset, uint8_t* buffer, size_t size, size_t* got)
{
    host* own = self;
    (void)lane, (void)item;
    if (own->fail_read == 2) {
        return -12345;
    }
    if (own->fail_read) {
        return backstay_callback_fail(cb, BACKSTAY_E_DENIED, "not today", BACKSTAY_NUL, 77);
    }
    *got = sizeof text - 1 - (size_t)offset < size ? sizeof text - 1 - (size_t)offset : size;
    memcpy(buffer, text + offset, *got);
    return BACKSTAY_OK;
}

static backstay_status on_finish(void* self, backstay_callback* cb, backstay_verdict* out)
{
    backstay_field field = {0};
    (void)self, (void)cb;
    field.struct_size = sizeof field;
    field.kind = BACKSTAY_FIELD_NUMBER;
    field.name = "runs";
    field.number = 1;
    CHECK(backstay_record_add(out->record, &field, NULL) == BACKSTAY_OK);
    out->verdict = BACKSTAY_VERDICT_OK;
    return BACKSTAY_OK;
}

static backstay_status on_settle(void* self, backstay_callback* cb, int32_t committed)
{
    host* own = self;
    (void)cb;
    own->settled++;
    own->committed = committed;
    return BACKSTAY_OK;
}

static void on_destroy(void* self)
{
    ((host*)self)->destroyed++;
}

static backstay_source_vtable table(void)
{
    backstay_source_vtable vtable;
    memset(&vtable, 0, sizeof vtable);
    vtable.struct_size = sizeof vtable;
    vtable.open = on_open;
    vtable.next = on_next;
    vtable.read = on_read;
    vtable.finish = on_finish;
    vtable.settle = on_settle;
    vtable.destroy = on_destroy;
    return vtable;
}

static backstay_status run(backstay_repository* repository, backstay_source* source,
                           backstay_cancel* cancel, int64_t* problems)
{
    backstay_backup* backup = NULL;
    backstay_job* job = NULL;
    backstay_record* record = NULL;
    backstay_status status;
    CHECK(backstay_backup_new(repository, NULL, &backup, NULL) == BACKSTAY_OK);
    CHECK(backstay_backup_add_source(backup, "own", source, NULL, NULL) == BACKSTAY_OK);
    CHECK(backstay_backup_add_source(backup, "own", source, NULL, NULL) == BACKSTAY_E_INVALID);
    CHECK(backstay_backup_add_source(backup, "a/b", source, NULL, NULL) == BACKSTAY_E_INVALID);
    CHECK(backstay_backup_start(backup, cancel, &job, NULL) == BACKSTAY_OK);
    while (backstay_job_next(job, -1, &record, NULL) == BACKSTAY_OK) {
        const char* code = backstay_record_text(record, "code", NULL);
        CHECK(code == NULL || strcmp(code, "unknown") != 0);
        backstay_record_free(record);
    }
    status = backstay_job_wait(job, -1, NULL);
    CHECK(backstay_job_summary(job) != NULL);
    *problems = backstay_record_number(backstay_job_summary(job), "problems", -1);
    backstay_job_free(job);
    backstay_backup_free(backup);
    return status;
}

static void test_host_source(void)
{
    host own = {0};
    backstay_engine* engine = NULL;
    backstay_store* store = NULL;
    backstay_options* init = NULL;
    backstay_repository* repository = NULL;
    backstay_source* source = NULL;
    backstay_snapshot* snapshot = NULL;
    backstay_view* view = NULL;
    backstay_tree* tree = NULL;
    backstay_cancel* cancel = NULL;
    backstay_entry entry = {0};
    backstay_source_vtable vtable = table();
    const uint8_t passphrase[] = "open sesame";
    int64_t problems = -1;
    CHECK(backstay_engine_new(NULL, NULL, NULL, NULL, &engine, NULL) == BACKSTAY_OK);
    CHECK(backstay_store_open(engine, "memory:test", NULL, NULL, &store, NULL) == BACKSTAY_OK);
    CHECK(backstay_options_new("init", &init, NULL) == BACKSTAY_OK);
    CHECK(backstay_options_set_secret(init, "passphrase", passphrase, sizeof passphrase - 1,
                                      NULL) == BACKSTAY_OK);
    CHECK(backstay_repository_init(store, NULL, init, NULL, &repository, NULL) == BACKSTAY_OK);
    CHECK(backstay_source_new(engine, &vtable, &own, &source, NULL) == BACKSTAY_OK);

    CHECK(run(repository, source, NULL, &problems) == BACKSTAY_OK);
    CHECK(problems == 0 && own.settled == 1 && own.committed == 1);
    CHECK(own.reentered == BACKSTAY_E_REENTRANT);
    CHECK(run(repository, source, NULL, &problems) ==
          BACKSTAY_OK); /* the parent is looked at in on_open */

    own.fail_read = 1;
    CHECK(run(repository, source, NULL, &problems) == BACKSTAY_OK);
    CHECK(problems == 1);
    own.fail_read = 2; /* a status that is none of ours */
    CHECK(run(repository, source, NULL, &problems) == BACKSTAY_OK);
    CHECK(problems == 1);
    own.fail_read = 0;

    CHECK(backstay_cancel_new(&cancel, NULL) == BACKSTAY_OK);
    backstay_cancel_trigger(cancel);
    CHECK(run(repository, source, cancel, &problems) == BACKSTAY_E_CANCELLED);
    backstay_cancel_free(cancel);

    CHECK(backstay_snapshot_open(repository, "latest~2", NULL, NULL, &snapshot, NULL) ==
          BACKSTAY_OK);
    CHECK(backstay_view_open(snapshot, "own", BACKSTAY_NUL, NULL, &view, NULL) == BACKSTAY_OK);
    CHECK(backstay_tree_open(view, "", 0, 1, &tree, NULL) == BACKSTAY_OK);
    entry.struct_size = sizeof entry;
    CHECK(backstay_tree_next(tree, &entry, NULL) == BACKSTAY_OK);
    CHECK(entry.path_length == 12 && memcmp(entry.path, "settings.ini", 12) == 0 &&
          entry.mode == 0600 && entry.size == sizeof text - 1);
    CHECK(backstay_tree_next(tree, &entry, NULL) == BACKSTAY_DONE);

    CHECK(backstay_repository_close(repository, NULL) == BACKSTAY_OK);
    CHECK(backstay_tree_next(tree, &entry, NULL) == BACKSTAY_E_CLOSED);

    /* Parents first: children keep their memory alive. */
    backstay_engine_free(engine);
    backstay_store_free(store);
    backstay_repository_free(repository);
    backstay_snapshot_free(snapshot);
    backstay_view_free(view);
    backstay_tree_free(tree);
    backstay_options_free(init);
    CHECK(own.destroyed == 0);
    backstay_source_free(source);
    CHECK(own.destroyed == 1);
}

static void test_errors(void)
{
    backstay_error* error = NULL;
    backstay_options* options = NULL;
    backstay_engine* engine = NULL;
    backstay_store* store = NULL;
    CHECK(backstay_options_new("backpu", &options, &error) == BACKSTAY_E_INVALID);
    CHECK(strstr(backstay_error_message(error), "backup") != NULL);
    backstay_error_free(error);
    CHECK(backstay_options_new("prune", &options, NULL) == BACKSTAY_OK);
    CHECK(backstay_options_set_text(options, "fence-after", "soon", &error) == BACKSTAY_E_INVALID);
    CHECK(backstay_error_status(error) == BACKSTAY_E_INVALID);
    backstay_error_free(error);
    CHECK(backstay_options_set_text(options, "fence-after", "36h", NULL) == BACKSTAY_OK);
    CHECK(backstay_options_set_text(options, "max-unusd", "5%", &error) == BACKSTAY_E_INVALID);
    CHECK(strstr(backstay_error_message(error), "max-unused") != NULL);
    backstay_error_free(error);
    CHECK(backstay_options_set_text(NULL, "x", "y", NULL) == BACKSTAY_E_INVALID);
    CHECK(backstay_engine_new(options, NULL, NULL, NULL, &engine, NULL) ==
          BACKSTAY_E_INVALID); /* another scope's */
    CHECK(backstay_engine_new(NULL, NULL, NULL, NULL, &engine, NULL) == BACKSTAY_OK);
    CHECK(backstay_store_open(engine, "/nowhere/at/all", NULL, NULL, &store, &error) ==
          BACKSTAY_E_NOT_FOUND);
    CHECK(strcmp(backstay_error_subject(error, NULL), "/nowhere/at/all") == 0);
    backstay_error_free(error);
    CHECK(backstay_store_open(engine, "s3://user:pass@host/x", NULL, NULL, &store, NULL) ==
          BACKSTAY_E_INVALID);
    backstay_engine_free(engine);
    backstay_options_free(options);
    backstay_error_free(NULL), backstay_job_free(NULL), backstay_store_free(NULL);
    CHECK(strcmp(backstay_status_name(BACKSTAY_E_NOT_FOUND), "not-found") == 0);
    CHECK(strcmp(backstay_status_name(-12345), "unknown") == 0);
}

/* Nothing is sent before the first operation, so all of this needs no server. */
static void test_s3_options(void)
{
    backstay_engine* engine = NULL;
    backstay_options* options = NULL;
    backstay_store* store = NULL;
    backstay_error* error = NULL;
    backstay_record* record = NULL;
    const char* json = NULL;
    CHECK(backstay_engine_new(NULL, NULL, NULL, NULL, &engine, NULL) == BACKSTAY_OK);
    CHECK(backstay_options_new("store", &options, NULL) == BACKSTAY_OK);
    CHECK(backstay_options_set_text(options, "s3-access-key", "key", NULL) == BACKSTAY_OK);
    CHECK(backstay_store_open(engine, "s3://bucket/prefix", options, NULL, &store, &error) ==
          BACKSTAY_E_INVALID);
    CHECK(strstr(backstay_error_message(error), "s3-secret-key") != NULL);
    backstay_error_free(error);
    CHECK(backstay_options_set_secret(options, "s3-secret-key", (const uint8_t*)"secret", 6,
                                      NULL) == BACKSTAY_OK);
    CHECK(backstay_options_set_text(options, "s3-prices", "cheap", NULL) == BACKSTAY_OK);
    CHECK(backstay_store_open(engine, "s3://bucket/prefix", options, NULL, &store, NULL) ==
          BACKSTAY_E_INVALID);
    CHECK(backstay_options_set_text(options, "s3-prices", "5,0.4,0", NULL) == BACKSTAY_OK);
    CHECK(backstay_options_set_text(options, "s3-region", "no region", NULL) == BACKSTAY_OK);
    CHECK(backstay_store_open(engine, "s3://bucket/prefix", options, NULL, &store, NULL) ==
          BACKSTAY_E_INVALID);
    CHECK(backstay_options_set_text(options, "s3-region", "eu-west-1", NULL) == BACKSTAY_OK);
    CHECK(backstay_options_set_text(options, "s3-lock-mode", "forever", NULL) ==
          BACKSTAY_E_INVALID);
    CHECK(backstay_store_open(engine, "s3://bucket/prefix", options, NULL, &store, NULL) ==
          BACKSTAY_OK);
    CHECK(backstay_store_traffic(store, &record, NULL) == BACKSTAY_OK);
    CHECK(backstay_record_json(record, &json, NULL, NULL) == BACKSTAY_OK);
    CHECK(strstr(json, "\"writes\":0") != NULL);
    backstay_record_free(record);
    backstay_store_free(store);
    CHECK(backstay_store_open(engine, "s3://arn:aws:s3:eu-west-1:123456789012:accesspoint/x",
                              options, NULL, &store, NULL) == BACKSTAY_E_UNSUPPORTED);
    CHECK(backstay_store_open(engine, "memory:x", options, NULL, &store, NULL) == BACKSTAY_OK);
    CHECK(backstay_store_traffic(store, &record, NULL) == BACKSTAY_OK);
    CHECK(backstay_record_json(record, &json, NULL, NULL) == BACKSTAY_OK);
    CHECK(strstr(json, "writes") == NULL);
    backstay_record_free(record);
    backstay_store_free(store);
    backstay_options_free(options);
    backstay_engine_free(engine);
}

static void test_failed_registration(void)
{
    host own = {0};
    backstay_engine* engine = NULL;
    backstay_source* source = NULL;
    backstay_source_vtable vtable = table();
    CHECK(backstay_engine_new(NULL, NULL, NULL, NULL, &engine, NULL) == BACKSTAY_OK);
    vtable.next = NULL;
    CHECK(backstay_source_new(engine, &vtable, &own, &source, NULL) == BACKSTAY_E_INVALID);
    CHECK(own.destroyed == 1); /* exactly once, on failure too */
    backstay_engine_free(engine);
}

int main(void)
{
    test_host_source();
    test_errors();
    test_s3_options();
    test_failed_registration();
    return failures == 0 ? 0 : 1;
}
