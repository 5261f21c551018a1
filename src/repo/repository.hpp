#pragma once

#include "format/repository_records.hpp"
#include "repo/key_chain.hpp"
#include "repo/key_slots.hpp"
#include "repo/object_cache.hpp"
#include "repo/object_keys.hpp"
#include "repo/outlook.hpp"
#include "store/object_store.hpp"

#include <initializer_list>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

namespace backstay::core
{

struct InitOptions {
    bool encrypted = true;
    std::uint32_t pack_size = 32 * MiB; ///< 8 to 512 MiB
    ChunkerParameters chunker;
    std::string label; ///< of the first slot
    /// Removes what an init that was interrupted left, if that is all that there is: the user's
    /// word that none is running.
    bool discard_interrupted = false;
};

struct OpenOptions {
    std::string cache_folder;     ///< for all repositories; each gets a folder below; empty: none
    const Clock* clock = nullptr; ///< null: the system's
    std::uint64_t cache_limit = standard_cache_limit; ///< of each repository
    /// Lists in the same requests what the first list of snapshots needs: Repository::outlook().
    bool look_ahead = false;
};

/// A repository whose keys are open: where its objects lie and how they are sealed. Immutable once
/// opened; thread-safe.
class Repository
{
public:
    /// Makes config/1, the first slot and keyring/1. Throws Error{exists} if there is a repository
    /// already, Error{invalid} for options out of bounds or missing credentials. A crash leaves
    /// nothing that opens: config comes last.
    static std::shared_ptr<Repository> init(std::shared_ptr<ObjectStore> store,
                                            const InitOptions& init, const Credentials& credentials,
                                            const OpenOptions& open, const std::stop_token& stop);

    /// Throws Error{not_found} ("there is no repository at …; make one with init"), {unsupported}
    /// (another format), {key}, {denied}, {damaged}.
    static std::shared_ptr<Repository> open(std::shared_ptr<ObjectStore> store,
                                            const Credentials& credentials, const OpenOptions& open,
                                            const std::stop_token& stop);

    ObjectStore& store() { return *store_; }
    const std::shared_ptr<ObjectStore>& shared_store() { return store_; }
    const ConfigRecord& config() const { return config_; }
    const KeyChain& keys() const { return *keys_; }
    ObjectCache& cache() { return *cache_; }
    const Clock& clock() const { return *clock_; }
    /// How many objects it pays to ask the store for side by side; at least 1.
    unsigned reads_at_once(const std::stop_token& stop);
    /// A folder for runs and the like; empty if there is no cache.
    const std::string& cache_folder() const { return cache_->folder(); }

    /// Of the moment when the repository was opened, once, if it was to look ahead then; else of
    /// now.
    Outlook outlook(const std::stop_token& stop);

    /// Gets (through the cache), decodes, opens and checks one enveloped object. Throws
    /// Error{not_found, damaged, denied, unsupported}: `subject` is `key`. What the cache gives is
    /// not trusted: before damage is claimed the store is asked.
    Bytes read_object(const std::string& key, ObjectType type, const std::stop_token& stop);

    /// The same with what the envelope says, for a name that may hold any of `types`.
    struct Object {
        ObjectType type{};
        Bytes body;
        SlotId signer{};
        Digest digest{}; ///< SHA-256 of the object
    };
    Object read_any(const std::string& key, std::initializer_list<ObjectType> types,
                    const std::stop_token& stop);
    /// The same past the cache, for what lives briefly, or is asked anew.
    Object read_any_fresh(const std::string& key, std::initializer_list<ObjectType> types,
                          const std::stop_token& stop);

    /// Seals, signs and creates it; a lost answer is asked for again. Durable when it returns.
    /// Returns the SHA-256 of the object. Throws Error{exists} if something else has the name.
    Digest write_object(const std::string& key, ObjectType type, KeyClass key_class, ByteSpan body,
                        const std::stop_token& stop);

private:
    Repository(std::shared_ptr<ObjectStore> store, ConfigRecord config,
               std::shared_ptr<const KeyChain> keys, const OpenOptions& open);
    Object open_object(const std::string& key, ByteSpan bytes,
                       std::initializer_list<ObjectType> types) const;

    std::shared_ptr<ObjectStore> store_;
    ConfigRecord config_;
    std::shared_ptr<const KeyChain> keys_;
    std::unique_ptr<ObjectCache> cache_;
    const Clock* clock_;
    std::mutex mutex_;
    std::optional<Outlook> seen_ahead_; ///< guarded by mutex_
};

} // namespace backstay::core
