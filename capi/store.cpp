#include "guarded.hpp"
#include "handles.hpp"

#include "base/worker_group.hpp"
#include "net/pinned_key.hpp"
#include "store/retrying_store.hpp"
#include "store/store_uri.hpp"

using backstay::capi::EngineState;
using backstay::capi::guarded;
using backstay::capi::need;
using backstay::core::OptionSet;
using backstay::core::Record;
using backstay::core::RetryingStore;
using backstay::core::S3Options;

namespace
{

std::string secret_text(const OptionSet& set, const char* key)
{
    const backstay::core::Secret* secret = set.secret(key);
    return secret == nullptr ? std::string() : std::string(backstay::core::as_text(secret->span()));
}

std::optional<backstay::core::AwsCredentials> s3_credentials(const OptionSet& set)
{
    const std::string key = set.text("s3-access-key");
    const std::string secret = secret_text(set, "s3-secret-key");
    if (key.empty() != secret.empty()) {
        throw backstay::core::Error(backstay::core::ErrorCode::invalid,
                                    "s3-access-key and s3-secret-key go together: give both",
                                    "s3-access-key");
    }
    if (key.empty()) {
        return std::nullopt;
    }
    backstay::core::AwsCredentials given(key, secret, secret_text(set, "s3-session-token"));
    given.origin = "the options";
    return given;
}

S3Options s3_options(const backstay::capi::EngineRef& state, const OptionSet& set)
{
    const EngineState& engine = *state;
    S3Options options;
    options.http.log = [state](const backstay::core::HttpLogEntry& entry) {
        state->log("debug", backstay::core::log_line(entry));
    };
    options.http.bandwidth = {engine.limit_upload(), engine.limit_download()};
    options.region = set.text("s3-region");
    options.profile = set.text("s3-profile");
    options.endpoint = set.text("s3-endpoint");
    const std::string addressing = set.text("s3-addressing");
    if (addressing == "path") {
        options.addressing = backstay::core::S3Addressing::path;
    } else if (addressing == "virtual") {
        options.addressing = backstay::core::S3Addressing::virtual_host;
    }
    options.dualstack = set.flag("s3-dualstack");
    options.fips = set.flag("s3-fips");
    options.anonymous = set.flag("s3-anonymous");
    options.credentials = s3_credentials(set);
    options.http.tls.ca_file = set.text("s3-ca-file");
    for (const std::string& given : set.texts("s3-pinned-key")) {
        for (std::string& key : backstay::core::parse_pinned_keys(given)) {
            options.http.tls.pinned_keys.push_back(std::move(key));
        }
    }
    options.http.tls.client_certificate = set.text("s3-client-certificate");
    options.http.tls.client_key = set.text("s3-client-key");
    options.connections = static_cast<std::uint32_t>(set.number("s3-connections"));
    options.requester_pays = set.flag("s3-requester-pays");
    options.bucket_owner = set.text("s3-bucket-owner");
    options.storage_class = set.text("s3-storage-class");
    const std::string encryption = set.text("s3-encryption");
    options.encryption = encryption == "bucket" ? std::string() : encryption;
    options.kms_key = set.text("s3-kms-key");
    const std::string versions = set.text("s3-versions");
    options.versions = versions == "newest"   ? backstay::core::S3VersionChoice::newest
                       : versions == "oldest" ? backstay::core::S3VersionChoice::oldest
                                              : backstay::core::S3VersionChoice::current;
    options.always_current = {"sessions/"}; // what ended there has ended
    const std::string lock = set.text("s3-lock-mode");
    options.lock_mode = lock == "governance"   ? "GOVERNANCE"
                        : lock == "compliance" ? "COMPLIANCE"
                                               : "";
    options.lock_days = static_cast<std::uint32_t>(set.number("s3-lock-days"));
    return options;
}

std::shared_ptr<backstay::core::ObjectStore> open_uri(const backstay::capi::EngineRef& engine,
                                                      const std::string& uri, const OptionSet& set)
{
    constexpr std::string_view memory = "memory:";
    if (uri.starts_with(memory)) {
        return engine->memory_store(uri.substr(memory.size()));
    }
    const auto use = set.flag("create") ? backstay::core::StoreUse::create
                                        : backstay::core::StoreUse::open_existing;
    return backstay::core::open_store_uri(uri, use, s3_options(engine, set));
}

/// A bucket's client paces the bytes themselves; any other store whole objects.
RetryingStore::Limits limits_of(const EngineState& engine, const std::string& uri)
{
    if (backstay::core::is_bucket_uri(uri)) {
        return {};
    }
    return {engine.limit_upload(), engine.limit_download(), 0};
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

Record describe_traffic(const backstay_store& store)
{
    Record record("traffic");
    if (const auto traffic = store.store->traffic()) {
        record.set("writes", traffic->writes).set("reads", traffic->reads);
        record.set("removes", traffic->removes).set("retries", traffic->retries);
        record.set("bytes_sent", traffic->bytes_sent);
        record.set("bytes_received", traffic->bytes_received);
        record.set("cost_millionths", backstay::core::estimate_cost(*traffic, store.prices));
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
        const OptionSet& set = backstay::capi::options_or_default(options, "store", storage);
        backstay::core::throw_if_stopped(backstay::capi::stop_of(cancel));
        auto inner = open_uri(state, &need(uri, "uri"), set);
        auto retrying = std::make_shared<RetryingStore>(
            std::move(inner), backstay::core::RetryPolicy{}, limits_of(*state, uri),
            backstay::core::real_waiting(),
            [state](const std::string& message) { state->log("warning", message); });
        *store = new backstay_store{state, std::move(retrying),
                                    backstay::core::parse_request_prices(set.text("s3-prices"))};
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

backstay_status backstay_store_traffic(backstay_store* store, backstay_record** record,
                                       backstay_error** error)
{
    return guarded(error, [&] {
        need(store, "store").engine->check_process();
        need(record, "record") = backstay::capi::new_record(describe_traffic(*store));
        return BACKSTAY_OK;
    });
}

void backstay_store_free(backstay_store* store)
{
    backstay::capi::free_handle(store, &backstay_store::engine);
}

} // extern "C"
