#pragma once

#include "format/repository_records.hpp"
#include "repo/key_chain.hpp"
#include "repo/key_slots.hpp"
#include "repo/object_cache.hpp"
#include "store/object_store.hpp"

#include <memory>
#include <optional>
#include <stop_token>
#include <string>

namespace backstay::core {

struct InitOptions {
    bool encrypted = true;
    std::uint32_t pack_size = 32 * MiB; ///< 8 to 512 MiB
    ChunkerParameters chunker;
    std::string label;                  ///< of the first slot
};

struct OpenOptions {
    std::string cache_folder; ///< for all repositories; each gets a folder below; empty: none
    const Clock* clock = nullptr; ///< null: the system's
};

/// A repository whose keys are open: where its objects lie and how they are sealed. Immutable once opened; thread-safe.
class Repository {
public:
    /// Makes config/1, the first slot and keyring/1. Throws Error{exists} if there is a repository already, Error{invalid} for options out of bounds or missing credentials.
    /// A crash leaves nothing that opens: config comes last.
    static std::shared_ptr<Repository> init(std::shared_ptr<ObjectStore> store, const InitOptions& init, const Credentials& credentials,
                                            const OpenOptions& open, const std::stop_token& stop);

    /// Throws Error{not_found} ("there is no repository at …; make one with init"), {unsupported} (another format), {key}, {denied}, {damaged}.
    static std::shared_ptr<Repository> open(std::shared_ptr<ObjectStore> store, const Credentials& credentials, const OpenOptions& open,
                                            const std::stop_token& stop);

    ObjectStore& store() { return *store_; }
    const std::shared_ptr<ObjectStore>& shared_store() { return store_; }
    const ConfigRecord& config() const { return config_; }
    const KeyChain& keys() const { return *keys_; }
    ObjectCache& cache() { return *cache_; }
    const Clock& clock() const { return *clock_; }
    /// A folder for runs and the like; empty if there is no cache.
    const std::string& cache_folder() const { return cache_->folder(); }

    /// Gets (through the cache), decodes, opens and checks one enveloped object.
    Bytes read_object(const std::string& key, ObjectType type, const std::stop_token& stop);
    /// Seals, signs and creates it. Throws Error{exists}.
    void write_object(const std::string& key, ObjectType type, KeyClass key_class, ByteSpan body, const std::stop_token& stop);

private:
    Repository(std::shared_ptr<ObjectStore> store, ConfigRecord config, std::shared_ptr<const KeyChain> keys, const OpenOptions& open);
    std::shared_ptr<ObjectStore> store_;
    ConfigRecord config_;
    std::shared_ptr<const KeyChain> keys_;
    std::unique_ptr<ObjectCache> cache_;
    const Clock* clock_;
};

std::string snapshot_key(const SessionId& id);
std::string session_key(const SessionId& id);
std::string note_key(const SessionId& id);
std::string segment_key(const SegmentId& id);
std::string pack_key(const PackId& id);         ///< packs/<xx>/<id>
std::string condemnation_key(std::uint64_t n);  ///< gc/<16 decimal digits>, so that byte order is numeric order
std::optional<PackId> parse_pack_key(std::string_view key);

} // namespace backstay::core
