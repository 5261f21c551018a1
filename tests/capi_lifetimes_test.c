/* What a host may do to the C ABI at awkward moments: read from many threads while the repository
 * closes, free what runs, fail in any callback, stop from a signal handler, fork.
 */
#include <backstay/backstay.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int failures = 0; /* of all threads: only ever added to, atomically */

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            __atomic_add_fetch(&failures, 1, __ATOMIC_SEQ_CST);                                    \
        }                                                                                          \
    } while (0)

static void wait_ms(long milliseconds)
{
    const struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    nanosleep(&time, NULL);
}

/* -- a host's source that counts, and fails at one of its calls
 * ---------------------------------------------------------------- */

enum { lanes = 2 };

typedef struct host {
    int calls, fail_at; /* the number of a call; 0: none fails */
    int opened, settled, given, released, destroyed;
    int entries, milliseconds_a_read;
    uint64_t size;
    int position[lanes];
    char path[lanes][32];
} host;

static int count(int* counter)
{
    return __atomic_add_fetch(counter, 1, __ATOMIC_SEQ_CST);
}

static int is_to_fail(host* own)
{
    return count(&own->calls) == own->fail_at;
}

static backstay_status fail(backstay_callback* callback)
{
    return backstay_callback_fail(callback, BACKSTAY_E_SOURCE, "not today", BACKSTAY_NUL, 1);
}

static backstay_status on_open(void* self, backstay_callback* callback, backstay_view* parent,
                               backstay_session* out)
{
    host* own = self;
    (void)parent;
    if (is_to_fail(own)) {
        return fail(callback);
    }
    count(&own->opened);
    memset(own->position, 0, sizeof own->position);
    out->lane_count = lanes;
    return BACKSTAY_OK;
}

static backstay_status on_next(void* self, backstay_callback* callback, uint32_t lane,
                               backstay_entry* out)
{
    host* own = self;
    const int number = own->position[lane]++;
    if (is_to_fail(own)) {
        return fail(callback);
    }
    if (number == own->entries) {
        return BACKSTAY_DONE;
    }
    snprintf(own->path[lane], sizeof own->path[lane], "lane %u file %d", (unsigned)lane, number);
    out->kind = BACKSTAY_KIND_FILE;
    out->path = own->path[lane];
    out->path_length = strlen(out->path);
    out->present = BACKSTAY_HAS_SIZE;
    out->size = own->size;
    out->item = (uint64_t)number;
    count(&own->given);
    return BACKSTAY_OK;
}

static backstay_status on_read(void* self, backstay_callback* callback, uint32_t lane,
                               uint64_t item, uint64_t offset, uint8_t* buffer, size_t size,
                               size_t* got)
{
    host* own = self;
    size_t i;
    (void)lane;
    if (is_to_fail(own)) {
        return fail(callback);
    }
    if (own->milliseconds_a_read > 0) {
        wait_ms(own->milliseconds_a_read);
    }
    *got = own->size - offset < size ? (size_t)(own->size - offset) : size;
    for (i = 0; i < *got; ++i) {
        buffer[i] = (uint8_t)((item * 7919 + offset + i) * 2654435761U >> 13);
    }
    return BACKSTAY_OK;
}

static void on_release(void* self, uint32_t lane, uint64_t item)
{
    (void)lane, (void)item;
    count(&((host*)self)->released);
}

static backstay_status on_finish(void* self, backstay_callback* callback, backstay_verdict* out)
{
    out->verdict = BACKSTAY_VERDICT_OK;
    return is_to_fail(self) ? fail(callback) : BACKSTAY_OK;
}

static backstay_status on_settle(void* self, backstay_callback* callback, int32_t committed)
{
    (void)committed;
    count(&((host*)self)->settled);
    return is_to_fail(self) ? fail(callback) : BACKSTAY_OK;
}

static void on_destroy(void* self)
{
    count(&((host*)self)->destroyed);
}

static int is_settled(const host* own)
{
    return own->opened == own->settled && own->given == own->released;
}

/* -- an engine, a repository in memory, the source
 * ----------------------------------------------------------------------------- */

typedef struct setting {
    host own;
    int log_destroyed;
    backstay_engine* engine;
    backstay_store* store;
    backstay_repository* repository;
    backstay_source* source;
} setting;

static void on_log_destroy(void* user)
{
    count(user);
}

static setting* new_setting(int entries, uint64_t size, int milliseconds_a_read)
{
    setting* it = calloc(1, sizeof *it);
    backstay_options* init = NULL;
    backstay_source_vtable vtable;
    memset(&vtable, 0, sizeof vtable);
    vtable.struct_size = sizeof vtable;
    vtable.open = on_open;
    vtable.next = on_next;
    vtable.read = on_read;
    vtable.release = on_release;
    vtable.finish = on_finish;
    vtable.settle = on_settle;
    vtable.destroy = on_destroy;
    it->own.entries = entries;
    it->own.size = size;
    it->own.milliseconds_a_read = milliseconds_a_read;
    CHECK(backstay_engine_new(NULL, NULL, &it->log_destroyed, on_log_destroy, &it->engine, NULL) ==
          BACKSTAY_OK);
    CHECK(backstay_store_open(it->engine, "memory:x", NULL, NULL, &it->store, NULL) == BACKSTAY_OK);
    CHECK(backstay_options_new("init", &init, NULL) == BACKSTAY_OK);
    CHECK(backstay_options_set_flag(init, "no-encryption", 1, NULL) == BACKSTAY_OK);
    CHECK(backstay_repository_init(it->store, NULL, init, NULL, &it->repository, NULL) ==
          BACKSTAY_OK);
    CHECK(backstay_source_new(it->engine, &vtable, &it->own, &it->source, NULL) == BACKSTAY_OK);
    backstay_options_free(init);
    return it;
}

static void free_handles(setting* it)
{
    backstay_engine_free(it->engine);
    backstay_store_free(it->store);
    backstay_repository_free(it->repository);
    backstay_source_free(it->source);
}

static void demand_destroyed(setting* it)
{
    CHECK(it->own.destroyed == 1 && it->log_destroyed == 1);
    free(it);
}

static void free_setting(setting* it)
{
    free_handles(it);
    demand_destroyed(it);
}

static backstay_status start(setting* it, backstay_cancel* cancel, backstay_job** job)
{
    backstay_backup* backup = NULL;
    backstay_status status;
    CHECK(backstay_backup_new(it->repository, NULL, &backup, NULL) == BACKSTAY_OK);
    CHECK(backstay_backup_add_source(backup, "own", it->source, NULL, NULL) == BACKSTAY_OK);
    status = backstay_backup_start(backup, cancel, job, NULL);
    backstay_backup_free(backup);
    return status;
}

static backstay_status end_of(backstay_job* job)
{
    backstay_record* record = NULL;
    while (backstay_job_next(job, -1, &record, NULL) == BACKSTAY_OK) {
        backstay_record_free(record);
    }
    return backstay_job_wait(job, -1, NULL);
}

static void back_up(setting* it)
{
    backstay_job* job = NULL;
    CHECK(start(it, NULL, &job) == BACKSTAY_OK);
    CHECK(end_of(job) == BACKSTAY_OK);
    backstay_job_free(job);
}

static void demand_whole(setting* it)
{
    backstay_options* options = NULL;
    backstay_job* job = NULL;
    CHECK(backstay_options_new("check", &options, NULL) == BACKSTAY_OK);
    CHECK(backstay_options_set_text(options, "read-data", "100%", NULL) == BACKSTAY_OK);
    CHECK(backstay_check_start(it->repository, options, NULL, &job, NULL) == BACKSTAY_OK);
    CHECK(end_of(job) == BACKSTAY_OK);
    CHECK(strcmp(backstay_record_text(backstay_job_summary(job), "verdict", ""), "ok") == 0);
    backstay_job_free(job);
    backstay_options_free(options);
}

/* -- the cases
 * ------------------------------------------------------------------------------------------------------------------
 */

typedef struct reading {
    backstay_view* view;
    backstay_stream* stream;
    int stop, read, closed, other;
} reading;

static void note(reading* it, backstay_status status)
{
    count(status >= 0 ? &it->read : status == BACKSTAY_E_CLOSED ? &it->closed : &it->other);
}

static void* read_on(void* argument)
{
    reading* it = argument;
    uint8_t buffer[70000];
    uint64_t offset = 0;
    while (!__atomic_load_n(&it->stop, __ATOMIC_SEQ_CST)) {
        backstay_tree* tree = NULL;
        backstay_entry entry = {0};
        size_t got = 0;
        backstay_status status;
        entry.struct_size = sizeof entry;
        offset = (offset + 49999) % backstay_stream_size(it->stream);
        note(it, backstay_stream_read_at(it->stream, offset, buffer, sizeof buffer, &got, NULL));
        status = backstay_tree_open(it->view, "", 0, 1, &tree, NULL);
        while (status == BACKSTAY_OK) {
            status = backstay_tree_next(tree, &entry, NULL);
        }
        note(it, status);
        backstay_tree_free(tree);
    }
    return NULL;
}

static void test_threads_read_while_the_repository_closes(void)
{
    setting* it = new_setting(20, 300000, 0);
    reading reads = {0};
    pthread_t threads[4];
    backstay_snapshot* snapshot = NULL;
    size_t i;
    back_up(it);
    CHECK(is_settled(&it->own) && it->own.given == 40);
    CHECK(backstay_snapshot_open(it->repository, "latest", NULL, NULL, &snapshot, NULL) ==
          BACKSTAY_OK);
    CHECK(backstay_view_open(snapshot, "own", BACKSTAY_NUL, NULL, &reads.view, NULL) ==
          BACKSTAY_OK);
    CHECK(backstay_stream_open(reads.view, "lane 1 file 5", BACKSTAY_NUL, &reads.stream, NULL) ==
          BACKSTAY_OK);
    for (i = 0; i < 4; ++i) {
        CHECK(pthread_create(&threads[i], NULL, read_on, &reads) == 0);
    }
    wait_ms(100);
    backstay_snapshot_free(snapshot);
    CHECK(backstay_repository_close(it->repository, NULL) == BACKSTAY_OK);
    free_handles(it); /* the view and the stream keep the memory alive */
    wait_ms(100);
    __atomic_store_n(&reads.stop, 1, __ATOMIC_SEQ_CST);
    for (i = 0; i < 4; ++i) {
        pthread_join(threads[i], NULL);
    }
    CHECK(reads.read > 0 && reads.closed > 0 && reads.other == 0);
    backstay_stream_free(reads.stream);
    backstay_view_free(reads.view);
    demand_destroyed(it);
}

static void test_jobs_are_freed_while_they_run(void)
{
    setting* it = new_setting(20, 300000, 1);
    backstay_job* job = NULL;
    int i;
    for (i = 0; i < 10; ++i) {
        CHECK(start(it, NULL, &job) == BACKSTAY_OK);
        wait_ms(i * 3);
        backstay_job_free(job);
        CHECK(is_settled(&it->own));
    }
    back_up(it);
    for (i = 0; i < 10; ++i) {
        CHECK(backstay_check_start(it->repository, NULL, NULL, &job, NULL) == BACKSTAY_OK);
        wait_ms(i);
        backstay_job_free(job);
        CHECK(backstay_prune_start(it->repository, NULL, NULL, &job, NULL) == BACKSTAY_OK);
        wait_ms(i);
        backstay_job_free(job);
    }
    demand_whole(it);
    free_setting(it);
}

static void test_a_job_outlives_what_it_was_made_from(void)
{
    setting* it = new_setting(10, 300000, 1);
    backstay_job* job = NULL;
    CHECK(start(it, NULL, &job) == BACKSTAY_OK);
    free_handles(it);
    CHECK(end_of(job) == BACKSTAY_OK);
    CHECK(is_settled(&it->own));
    backstay_job_free(job);
    demand_destroyed(it);
}

static void test_closing_ends_jobs(void)
{
    int i;
    for (i = 0; i < 5; ++i) {
        setting* it = new_setting(20, 300000, 5);
        backstay_job* job = NULL;
        CHECK(start(it, NULL, &job) == BACKSTAY_OK);
        wait_ms(i * 10);
        CHECK(backstay_repository_close(it->repository, NULL) == BACKSTAY_OK);
        CHECK(end_of(job) == BACKSTAY_E_CLOSED);
        CHECK(backstay_job_wait(job, -1, NULL) == BACKSTAY_E_CLOSED);
        backstay_job_free(job);
        CHECK(backstay_check_start(it->repository, NULL, NULL, &job, NULL) == BACKSTAY_E_CLOSED);
        CHECK(is_settled(&it->own));
        free_setting(it);
    }
}

static void test_every_callback_may_fail(void)
{
    setting* it = new_setting(3, 70000, 0);
    host* own = &it->own;
    int ended = 0;
    do {
        backstay_job* job = NULL;
        int64_t problems;
        backstay_status status;
        own->calls = 0;
        ++own->fail_at;
        CHECK(start(it, NULL, &job) == BACKSTAY_OK);
        status = end_of(job);
        problems = backstay_record_number(backstay_job_summary(job), "problems", -1);
        CHECK(is_settled(own));
        ended = own->calls < own->fail_at; /* nothing failed: all were tried */
        CHECK(ended ? status == BACKSTAY_OK && problems == 0
                    : status == BACKSTAY_E_SOURCE || (status == BACKSTAY_OK && problems > 0));
        backstay_job_free(job);
    } while (!ended && own->fail_at < 1000);
    CHECK(ended);
    demand_whole(it);
    free_setting(it);
}

static void test_a_source_serves_one_job_at_a_time(void)
{
    setting* it = new_setting(10, 300000, 5);
    backstay_job* job = NULL;
    backstay_job* second = NULL;
    CHECK(start(it, NULL, &job) == BACKSTAY_OK);
    CHECK(start(it, NULL, &second) == BACKSTAY_E_BUSY);
    CHECK(end_of(job) == BACKSTAY_OK);
    CHECK(start(it, NULL, &second) == BACKSTAY_OK);
    CHECK(end_of(second) == BACKSTAY_OK);
    CHECK(is_settled(&it->own) && it->own.opened == 2);
    backstay_job_free(job);
    backstay_job_free(second);
    free_setting(it);
}

static void test_a_target_serves_one_job(void)
{
    setting* it = new_setting(1, 100, 0);
    char folder[] = "/tmp/backstay-lifetimes-XXXXXX";
    char path[64];
    backstay_options* options = NULL;
    backstay_target* target = NULL;
    backstay_snapshot* snapshot = NULL;
    backstay_job* job = NULL;
    back_up(it);
    CHECK(mkdtemp(folder) != NULL);
    CHECK(backstay_options_new("target.directory", &options, NULL) == BACKSTAY_OK);
    CHECK(backstay_options_set_text(options, "path", folder, NULL) == BACKSTAY_OK);
    CHECK(backstay_target_open_directory(it->engine, options, &target, NULL) == BACKSTAY_OK);
    CHECK(backstay_snapshot_open(it->repository, "latest", NULL, NULL, &snapshot, NULL) ==
          BACKSTAY_OK);
    CHECK(backstay_restore_start(snapshot, "own", BACKSTAY_NUL, target, NULL, NULL, &job, NULL) ==
          BACKSTAY_OK);
    CHECK(end_of(job) == BACKSTAY_OK);
    backstay_job_free(job);
    CHECK(backstay_restore_start(snapshot, "own", BACKSTAY_NUL, target, NULL, NULL, &job, NULL) ==
          BACKSTAY_E_INVALID);
    snprintf(path, sizeof path, "%s/lane 0 file 0", folder);
    CHECK(unlink(path) == 0);
    snprintf(path, sizeof path, "%s/lane 1 file 0", folder);
    CHECK(unlink(path) == 0 && rmdir(folder) == 0);
    backstay_target_free(target);
    backstay_options_free(options);
    backstay_snapshot_free(snapshot);
    free_setting(it);
}

static backstay_cancel* signalled = NULL;

static void on_signal(int number)
{
    (void)number;
    backstay_cancel_trigger(signalled);
}

static void test_a_signal_handler_cancels(void)
{
    setting* it = new_setting(1000, 300000, 5);
    backstay_job* job = NULL;
    CHECK(backstay_cancel_new(&signalled, NULL) == BACKSTAY_OK);
    signal(SIGUSR1, on_signal);
    CHECK(start(it, signalled, &job) == BACKSTAY_OK);
    wait_ms(50);
    raise(SIGUSR1);
    CHECK(end_of(job) == BACKSTAY_E_CANCELLED);
    CHECK(is_settled(&it->own));
    backstay_job_free(job);
    backstay_cancel_free(signalled);
    free_setting(it);
}

typedef struct inherited {
    setting* it;
    backstay_cancel* cancel;
    backstay_snapshot* snapshot;
    backstay_view* view;
    backstay_stream* stream;
    backstay_job* job;
} inherited;

static void free_inherited(inherited* from)
{
    backstay_job_free(from->job);
    backstay_stream_free(from->stream);
    backstay_view_free(from->view);
    backstay_snapshot_free(from->snapshot);
    backstay_cancel_free(from->cancel);
}

/* It works, and so does its cancellation. TSan cannot follow threads that start after a fork. */
static void try_one_of_its_own(void)
{
#ifndef __SANITIZE_THREAD__
    setting* own = new_setting(1000, 300000, 5);
    backstay_cancel* cancel = NULL;
    backstay_job* job = NULL;
    CHECK(backstay_cancel_new(&cancel, NULL) == BACKSTAY_OK);
    CHECK(start(own, cancel, &job) == BACKSTAY_OK);
    backstay_cancel_trigger(cancel);
    CHECK(end_of(job) == BACKSTAY_E_CANCELLED);
    backstay_job_free(job);
    backstay_cancel_free(cancel);
    free_setting(own);
#endif
}

static void in_the_child(inherited* from)
{
    uint8_t byte;
    size_t got;
    backstay_tree* tree = NULL;
    backstay_snapshot* snapshot = NULL;
    backstay_record* record = NULL;
    backstay_backup* backup = NULL;
    alarm(60);
    CHECK(backstay_stream_read_at(from->stream, 0, &byte, 1, &got, NULL) == BACKSTAY_E_FORKED);
    CHECK(backstay_tree_open(from->view, "", 0, 1, &tree, NULL) == BACKSTAY_E_FORKED);
    CHECK(backstay_snapshot_open(from->it->repository, "latest", NULL, NULL, &snapshot, NULL) ==
          BACKSTAY_E_FORKED);
    CHECK(backstay_store_describe(from->it->store, NULL, &record, NULL) == BACKSTAY_E_FORKED);
    CHECK(backstay_job_next(from->job, -1, &record, NULL) == BACKSTAY_E_FORKED);
    CHECK(backstay_job_wait(from->job, -1, NULL) == BACKSTAY_E_FORKED);
    CHECK(backstay_backup_new(from->it->repository, NULL, &backup, NULL) == BACKSTAY_E_FORKED);
    backstay_cancel_trigger(from->cancel); /* the parent's: nothing happens */
    free_inherited(from);
    free_handles(from->it);
    CHECK(from->it->own.destroyed == 0);
    try_one_of_its_own();
    _exit(failures == 0 ? 0 : 1);
}

static void test_a_child_leaves_its_parents_handles_alone(void)
{
    inherited from = {0};
    setting* it = new_setting(3, 300000, 5);
    int status = -1;
    pid_t child;
    from.it = it;
    back_up(it);
    CHECK(backstay_cancel_new(&from.cancel, NULL) == BACKSTAY_OK);
    CHECK(backstay_snapshot_open(it->repository, "latest", NULL, NULL, &from.snapshot, NULL) ==
          BACKSTAY_OK);
    CHECK(backstay_view_open(from.snapshot, "own", BACKSTAY_NUL, NULL, &from.view, NULL) ==
          BACKSTAY_OK);
    CHECK(backstay_stream_open(from.view, "lane 0 file 1", BACKSTAY_NUL, &from.stream, NULL) ==
          BACKSTAY_OK);
    CHECK(start(it, from.cancel, &from.job) == BACKSTAY_OK);
    child = fork();
    if (child == 0) {
        in_the_child(&from);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(end_of(from.job) == BACKSTAY_OK);
    free_inherited(&from);
    free_setting(it);
}

int main(void)
{
    test_threads_read_while_the_repository_closes();
    test_jobs_are_freed_while_they_run();
    test_a_job_outlives_what_it_was_made_from();
    test_closing_ends_jobs();
    test_every_callback_may_fail();
    test_a_source_serves_one_job_at_a_time();
    test_a_target_serves_one_job();
    test_a_signal_handler_cancels();
    test_a_child_leaves_its_parents_handles_alone();
    return failures == 0 ? 0 : 1;
}
