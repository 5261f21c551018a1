#include "guarded.hpp"
#include "handles.hpp"

#include "base/worker_group.hpp"
#include "store/retrying_store.hpp"
#include "store/store_uri.hpp"

using backstay::capi::guarded;
using backstay::capi::need;
using backstay::core::OptionSet;
using backstay::core::Record;

namespace
{

std::shared_ptr<backstay::core::ObjectStore> open_uri(backstay::capi::EngineState& engine,
                                                      const std::string& uri, bool create)
{
    constexpr std::string_view memory = "memory:";
    if (uri.starts_with(memory)) {
        return engine.memory_store(uri.substr(memory.size()));
    }
    return backstay::core::open_store_uri(uri, create ? backstay::core::StoreUse::create
                                                      : backstay::core::StoreUse::open_existing);
}

Record describe(const backstay::core::StoreDescription& store)
{
    Record record("store");
    record.set("uri", backstay::core::RawText{store.uri}).set("kind", store.kind);
    record.set("exclusive_create", store.exclusive_create).set("strong_list", store.strong_list);
    record.set("note", store.note);
    if (store.free_bytes) {
        record.set("free_bytes", *store.free_bytes);
    }
    return record;
}

} // namespace

extern "C" {

backstay_status backstay_store_open(backstay_engine* engine, const char* uri,
                                    const backstay_options* options, backstay_cancel* cancel,
                                    backstay_store** store, backstay_error** error)
{
    return guarded(error, [&] {
        const backstay::capi::EngineRef& state = need(engine, "engine").state;
        state->check_process();
        need(store, "store");
        std::optional<OptionSet> storage;
        const bool create =
            backstay::capi::options_or_default(options, "store", storage).flag("create");
        backstay::core::throw_if_stopped(backstay::capi::stop_of(cancel));
        auto inner = open_uri(*state, &need(uri, "uri"), create);
        auto retrying = std::make_shared<backstay::core::RetryingStore>(
            std::move(inner), backstay::core::RetryPolicy{},
            backstay::core::RetryingStore::Limits{state->limit_upload(), state->limit_download(),
                                                  0});
        *store = new backstay_store{state, std::move(retrying)};
        return BACKSTAY_OK;
    });
}

backstay_status backstay_store_describe(backstay_store* store, backstay_cancel* cancel,
                                        backstay_record** record, backstay_error** error)
{
    return guarded(error, [&] {
        need(store, "store").engine->check_process();
        need(record, "record");
        const std::stop_token stop = backstay::capi::stop_of(cancel);
        store->store->probe(stop);
        *record = backstay::capi::new_record(describe(store->store->describe(stop)));
        return BACKSTAY_OK;
    });
}

void backstay_store_free(backstay_store* store)
{
    delete store;
}

} // extern "C"
