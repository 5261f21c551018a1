#include "credentials.hpp"
#include "guarded.hpp"
#include "handles.hpp"

#include "engine/objects.hpp"

using backstay::capi::credentials_of;
using backstay::capi::EngineRef;
using backstay::capi::guarded;
using backstay::capi::need;
using backstay::capi::RepositoryState;
using backstay::core::ConfigRecord;
using backstay::core::Error;
using backstay::core::ErrorCode;
using backstay::core::InitOptions;
using backstay::core::OpenOptions;
using backstay::core::OptionSet;
using backstay::core::Repository;

namespace backstay::capi
{

core::Repository& RepositoryState::open() const
{
    engine->check_process();
    if (closed) {
        throw Error(ErrorCode::closed, "the repository was closed");
    }
    return *repository;
}

} // namespace backstay::capi

namespace
{

InitOptions init_options(const OptionSet& set, const backstay_repository* parameters_from)
{
    InitOptions options;
    options.encrypted = !set.flag("no-encryption");
    options.pack_size = static_cast<std::uint32_t>(set.size("pack-size"));
    options.label = set.text("label");
    options.discard_interrupted = set.flag("discard-interrupted");
    if (parameters_from != nullptr) {
        const ConfigRecord& config = parameters_from->state->open().config();
        options.chunker = config.chunker;
        options.pack_size = config.pack_size;
    }
    return options;
}

backstay_repository* new_repository(const EngineRef& engine, std::shared_ptr<Repository> repository)
{
    auto handle = std::make_unique<backstay_repository>();
    handle->state = std::make_shared<RepositoryState>();
    handle->state->engine = engine;
    handle->state->repository = std::move(repository);
    return handle.release();
}

OpenOptions open_options(const backstay::capi::EngineState& engine)
{
    return {engine.cache_folder(), nullptr, engine.cache_limit(), false};
}

} // namespace

extern "C" {

backstay_status backstay_repository_init(backstay_store* store,
                                         backstay_repository* parameters_from,
                                         const backstay_options* options, backstay_cancel* cancel,
                                         backstay_repository** repository, backstay_error** error)
{
    return guarded(error, [&] {
        need(store, "store").engine->check_process();
        need(repository, "repository");
        std::optional<OptionSet> storage;
        const OptionSet& set = backstay::capi::options_or_default(options, "init", storage);
        const std::stop_token stop = backstay::capi::stop_of(cancel);
        *repository = new_repository(
            store->engine,
            Repository::init(store->store, init_options(set, parameters_from),
                             credentials_of(set, stop), open_options(*store->engine), stop));
        return BACKSTAY_OK;
    });
}

backstay_status backstay_repository_open(backstay_store* store, const backstay_options* options,
                                         backstay_cancel* cancel, backstay_repository** repository,
                                         backstay_error** error)
{
    return guarded(error, [&] {
        need(store, "store").engine->check_process();
        need(repository, "repository");
        std::optional<OptionSet> storage;
        const OptionSet& set = backstay::capi::options_or_default(options, "repository", storage);
        const std::stop_token stop = backstay::capi::stop_of(cancel);
        OpenOptions how = open_options(*store->engine);
        how.look_ahead = set.flag("look-ahead");
        *repository = new_repository(
            store->engine, Repository::open(store->store, credentials_of(set, stop), how, stop));
        return BACKSTAY_OK;
    });
}

backstay_status backstay_repository_describe(backstay_repository* repository,
                                             backstay_cancel* cancel, backstay_record** record,
                                             backstay_error** error)
{
    return guarded(error, [&] {
        Repository& open = need(repository, "repository").state->open();
        need(record, "record") = backstay::capi::new_record(
            backstay::core::describe_repository(open, backstay::capi::stop_of(cancel)));
        return BACKSTAY_OK;
    });
}

backstay_status backstay_repository_close(backstay_repository* repository, backstay_error** error)
{
    return guarded(error, [&] {
        RepositoryState& state = *need(repository, "repository").state;
        state.engine->check_process();
        state.closed = true;
        state.closing.request_stop();
        return BACKSTAY_OK;
    });
}

void backstay_repository_free(backstay_repository* repository)
{
    backstay::capi::free_handle(repository, &backstay_repository::state);
}

backstay_status backstay_object_describe(backstay_repository* repository, const char* name,
                                         backstay_cancel* cancel, backstay_record** record,
                                         backstay_error** error)
{
    return guarded(error, [&] {
        Repository& open = need(repository, "repository").state->open();
        need(record, "record") = backstay::capi::new_record(backstay::core::describe_object(
            open, &need(name, "name"), backstay::capi::stop_of(cancel)));
        return BACKSTAY_OK;
    });
}

} // extern "C"
