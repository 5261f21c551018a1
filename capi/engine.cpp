#include "guarded.hpp"
#include "handles.hpp"

#include "base/file.hpp"
#include "store/memory_store.hpp"

#include <cstdlib>
#include <thread>
#include <unistd.h>

using backstay::capi::EngineState;
using backstay::capi::guarded;
using backstay::capi::need;
using backstay::core::Error;
using backstay::core::ErrorCode;
using backstay::core::OptionSet;
using backstay::core::Record;

namespace backstay::capi
{

namespace
{

std::string environment(const char* name)
{
    // NOLINTNEXTLINE(concurrency-mt-unsafe): read once, when the host makes an engine
    const char* value = std::getenv(name);
    return value != nullptr ? value : "";
}

std::string default_cache_folder()
{
    if (const std::string base = environment("XDG_CACHE_HOME"); base.starts_with('/')) {
        return base + "/backstay";
    }
    const std::string home = environment("HOME");
    return home.starts_with('/') ? home + "/.cache/backstay" : std::string();
}

std::string cache_folder_of(const OptionSet& options)
{
    if (options.flag("no-cache")) {
        return {};
    }
    return options.has("cache-dir") ? options.text("cache-dir") : default_cache_folder();
}

unsigned threads_of(const OptionSet& options)
{
    const auto wanted = static_cast<unsigned>(options.number("threads"));
    return wanted != 0 ? wanted : std::max(1U, std::thread::hardware_concurrency());
}

} // namespace

EngineState::EngineState(const OptionSet& options, backstay_log sink, void* user,
                         void (*destroy)(void*))
    : limits_{threads_of(options), options.size("memory"), core::temporary_folder()},
      cache_folder_(cache_folder_of(options)), cache_limit_(options.size("cache-size")),
      limit_upload_(options.size("limit-upload")), limit_download_(options.size("limit-download")),
      low_priority_(options.flag("low-priority")), log_(sink), user_(user), destroy_(destroy),
      process_(::getpid())
{
}

EngineState::~EngineState()
{
    if (destroy_ != nullptr) {
        destroy_(user_);
    }
}

void EngineState::log(const char* level, const std::string& message)
{
    if (log_ == nullptr) {
        return;
    }
    Record line("log");
    line.set("level", level).set("message", message);
    const std::unique_ptr<backstay_record> handle(new_record(std::move(line)));
    const std::lock_guard lock(mutex_);
    ++callback_depth();
    log_(user_, handle.get());
    --callback_depth();
}

void EngineState::check_process() const
{
    if (!is_of_this_process()) {
        throw Error(ErrorCode::forked, "this handle was made before a fork, in the parent process: "
                                       "make an engine of your own in the child");
    }
}

bool EngineState::is_of_this_process() const
{
    return process_ == ::getpid();
}

std::shared_ptr<core::ObjectStore> EngineState::memory_store(const std::string& name)
{
    const std::lock_guard lock(mutex_);
    auto& store = memory_stores_[name];
    if (!store) {
        store = std::make_shared<core::MemoryStore>();
    }
    return store;
}

} // namespace backstay::capi

extern "C" {

uint32_t backstay_version(void)
{
    return BACKSTAY_VERSION_NUMBER;
}

backstay_status backstay_library_describe(backstay_record** record, backstay_error** error)
{
    return guarded(error, [&] {
        Record out("library");
        out.set("version", BACKSTAY_VERSION).set("format_version", backstay::core::format_version);
        out.set("sources", std::vector<std::string>{"tree", "stream", "command", "archive",
                                                    "postgres", "host"});
        out.set("targets", std::vector<std::string>{"directory", "stream", "archive", "postgres"});
        out.set("stores", std::vector<std::string>{"local", "memory", "s3"});
        out.set("suite", "AES-256-GCM BLAKE3 HMAC-SHA256 Ed25519 X25519 HKDF-SHA256 Argon2id");
        need(record, "record") = backstay::capi::new_record(std::move(out));
        return BACKSTAY_OK;
    });
}

backstay_status backstay_engine_new(const backstay_options* options, backstay_log log, void* user,
                                    void (*destroy)(void*), backstay_engine** engine,
                                    backstay_error** error)
{
    backstay::capi::EngineRef state;
    const backstay_status status = guarded(error, [&] {
        need(engine, "engine");
        std::optional<OptionSet> storage;
        const OptionSet& set = backstay::capi::options_or_default(options, "engine", storage);
        auto handle = std::make_unique<backstay_engine>();
        state = std::make_shared<EngineState>(set, log, user, destroy);
        handle->state = state;
        *engine = handle.release();
        return BACKSTAY_OK;
    });
    if (!state && destroy != nullptr) {
        destroy(user); // exactly once, on failure too
    }
    return status;
}

void backstay_engine_free(backstay_engine* engine)
{
    backstay::capi::free_handle(engine, &backstay_engine::state);
}

backstay_status backstay_cache_clean(backstay_engine* engine, const backstay_options* options,
                                     backstay_cancel* cancel, backstay_record** record,
                                     backstay_error** error)
{
    return guarded(error, [&] {
        const EngineState& state = *need(engine, "engine").state;
        state.check_process();
        std::optional<OptionSet> storage;
        const bool clean =
            backstay::capi::options_or_default(options, "cache", storage).flag("clean");
        need(record, "record") = backstay::capi::new_record(backstay::capi::describe_cache(
            state.cache_folder(), clean, backstay::capi::stop_of(cancel)));
        return BACKSTAY_OK;
    });
}

} // extern "C"
