#include "guarded.hpp"
#include "handles.hpp"
#include "job.hpp"
#include "operation_options.hpp"

#include "engine/backup.hpp"

using backstay::capi::guarded;
using backstay::capi::need;
using backstay::core::BackupOptions;
using backstay::core::BackupSource;
using backstay::core::Error;
using backstay::core::ErrorCode;
using backstay::core::JobContext;
using backstay::core::OptionSet;

struct backstay_backup {
    backstay::capi::RepositoryRef repository;
    BackupOptions options;
    std::vector<BackupSource> sources;
    std::vector<backstay::capi::JobSlot> slots; ///< the sources'
};

extern "C" {

backstay_status backstay_backup_new(backstay_repository* repository,
                                    const backstay_options* options, backstay_backup** backup,
                                    backstay_error** error)
{
    return guarded(error, [&] {
        const backstay::capi::RepositoryRef& state = need(repository, "repository").state;
        state->open();
        need(backup, "backup");
        std::optional<OptionSet> storage;
        *backup =
            new backstay_backup{state,
                                backstay::capi::backup_options(
                                    backstay::capi::options_or_default(options, "backup", storage)),
                                {},
                                {}};
        return BACKSTAY_OK;
    });
}

backstay_status backstay_backup_add_source(backstay_backup* backup, const char* name,
                                           backstay_source* source, const backstay_options* options,
                                           backstay_error** error)
{
    return guarded(error, [&] {
        need(backup, "backup");
        need(source, "source");
        std::optional<OptionSet> storage;
        const OptionSet& set =
            backstay::capi::options_or_default(options, "backup.source", storage);
        BackupSource added;
        added.name = &need(name, "name");
        added.kind = source->kind;
        added.roots = source->roots;
        const bool remade = backup->options.force && source->remake;
        added.source = remade ? source->remake(true) : source->source;
        added.optional = set.flag("optional");
        added.after = set.text("after");
        if (!backstay::core::is_entry_name(added.name)) {
            throw Error(ErrorCode::invalid,
                        "a source's name has no '/' and is neither empty nor \".\" nor \"..\"",
                        added.name);
        }
        for (const BackupSource& other : backup->sources) {
            if (other.name == added.name || other.source == added.source) {
                throw Error(ErrorCode::invalid, "the backup has this source already", added.name);
            }
        }
        backup->sources.push_back(std::move(added));
        backup->slots.push_back(remade ? backstay::capi::JobSlot() : source->slot);
        return BACKSTAY_OK;
    });
}

backstay_status backstay_backup_start(backstay_backup* backup, backstay_cancel* cancel,
                                      backstay_job** job, backstay_error** error)
{
    return guarded(error, [&] {
        const backstay::capi::RepositoryRef repository = need(backup, "backup").repository;
        repository->open();
        if (backup->sources.empty()) {
            throw Error(ErrorCode::invalid, "the backup has no source: add one");
        }
        std::vector<std::shared_ptr<void>> taken;
        for (const backstay::capi::JobSlot& slot : backup->slots) {
            taken.push_back(slot.take_for_a_while());
        }
        const auto work = [repository, sources = backup->sources, options = backup->options,
                           taken](JobContext& context) {
            return backstay::core::run_backup(repository->open(), sources, options,
                                              repository->engine->limits(), context);
        };
        const auto gives =
            backup->options.list ? backstay_job::Gives::listings : backstay_job::Gives::problems;
        need(job, "job") =
            new backstay_job(repository->engine, "backup", gives, work,
                             backstay::capi::stop_of(cancel), repository->closing.get_token());
        return BACKSTAY_OK;
    });
}

void backstay_backup_free(backstay_backup* backup)
{
    backstay::capi::free_handle(backup, &backstay_backup::repository);
}

} // extern "C"
