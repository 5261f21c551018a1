/* Backs a folder up and restores it: first_backup REPOSITORY KEY-FILE FOLDER TARGET
 * cc first_backup.c $(pkg-config --cflags --libs backstay) */
#include <backstay/backstay.h>
#include <stdio.h>

/* Prints a job's records as they come; 0, or 3 if it finished with problems, or 1 if it failed. */
static int finish(backstay_job* job)
{
    backstay_record* record = NULL;
    backstay_error* error = NULL;
    int status = 0;
    while (backstay_job_next(job, -1, &record, NULL) ==
           BACKSTAY_OK) { /* problems, sources, the summary last */
        const char* json = NULL;
        if (backstay_record_json(record, &json, NULL, NULL) == BACKSTAY_OK) {
            puts(json);
        }
        backstay_record_free(record);
    }
    if (backstay_job_wait(job, -1, &error) != BACKSTAY_OK) {
        fprintf(stderr, "%s\n", backstay_error_message(error));
        status = 1;
    } else if (backstay_record_number(backstay_job_summary(job), "problems", 0) > 0) {
        status = 3;
    }
    backstay_error_free(error);
    backstay_job_free(job);
    return status;
}

int main(int argc, char** argv)
{
    backstay_engine* engine = NULL;
    backstay_store* store = NULL;
    backstay_repository* repository = NULL;
    backstay_source* tree = NULL;
    backstay_backup* backup = NULL;
    backstay_snapshot* snapshot = NULL;
    backstay_target* folder = NULL;
    backstay_options *place = NULL, *key = NULL, *roots = NULL, *where = NULL;
    backstay_job* job = NULL;
    backstay_error* error = NULL;
    int failed = argc != 5 || backstay_engine_new(NULL, NULL, NULL, NULL, &engine, &error) ||
                 backstay_options_new("store", &place, &error) ||
                 backstay_options_set_flag(place, "create", 1, &error) ||
                 backstay_store_open(engine, argv[1], place, NULL, &store, &error) ||
                 backstay_options_new("init", &key, &error) ||
                 backstay_options_add_bytes(key, "key-file", argv[2], BACKSTAY_NUL, &error) ||
                 backstay_repository_init(store, NULL, key, NULL, &repository, &error) ||
                 backstay_options_new("source.tree", &roots, &error) ||
                 backstay_options_add_bytes(roots, "path", argv[3], BACKSTAY_NUL, &error) ||
                 backstay_source_open_tree(engine, roots, &tree, &error) ||
                 backstay_backup_new(repository, NULL, &backup, &error) ||
                 backstay_backup_add_source(backup, "files", tree, NULL, &error) ||
                 backstay_backup_start(backup, NULL, &job, &error);
    int status = failed ? 1 : finish(job);
    failed = failed || status == 1 ||
             backstay_snapshot_open(repository, "latest", NULL, NULL, &snapshot, &error) ||
             backstay_options_new("target.directory", &where, &error) ||
             backstay_options_add_bytes(where, "path", argv[4], BACKSTAY_NUL, &error) ||
             backstay_target_open_directory(engine, where, &folder, &error) ||
             backstay_restore_start(snapshot, "", 0, folder, NULL, NULL, &job, &error);
    if (argc != 5) {
        fputs("usage: first_backup REPOSITORY KEY-FILE FOLDER TARGET\n", stderr);
    } else if (error) {
        fprintf(stderr, "%s\n", backstay_error_message(error));
    } else if (!failed) { /* else finish() has told */
        status |= finish(job);
    }
    backstay_error_free(error), backstay_target_free(folder), backstay_options_free(where);
    backstay_snapshot_free(snapshot), backstay_backup_free(backup), backstay_source_free(tree);
    backstay_options_free(roots), backstay_repository_free(repository), backstay_options_free(key);
    backstay_store_free(store), backstay_options_free(place), backstay_engine_free(engine);
    return failed ? 1 : status;
}
