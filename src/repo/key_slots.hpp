#pragma once

#include "base/secret.hpp"
#include "format/repository_records.hpp"
#include "repo/key_chain.hpp"
#include "store/object_store.hpp"

#include <memory>
#include <optional>
#include <stop_token>

namespace backstay::core
{

/// What the user brought. Neither: only a repository without encryption opens.
struct Credentials {
    std::optional<Secret> passphrase;
    std::optional<Secret> key_file; ///< the file's bytes, at least 16
    bool given() const { return passphrase || key_file; }
};

/// Makes slot, keyring/1 and what they hold for a new repository with one admin. Returns the
/// envelopes to store, in order, and the open chain.
struct NewKeys {
    std::shared_ptr<const KeyChain> chain;
    Bytes slot_object;
    SlotId slot;
    Bytes keyring_object;
};
NewKeys make_first_keys(const RepositoryId& repository, const Credentials& credentials,
                        const std::string& label, Timestamp now);

/// Opens the first slot the credentials fit. Throws Error{key} ("no slot opens with this
/// passphrase") and Error{denied} where credentials were given and the repository claims to need
/// none.
std::shared_ptr<const KeyChain> open_keys(ObjectStore& store, const ConfigRecord& config,
                                          const Credentials& credentials,
                                          const std::stop_token& stop);

/// What lies in keys/ and in keyring/.
struct KeyNames {
    std::vector<std::string> slots;
    std::vector<std::string> keyrings;

    /// Passes over what lies elsewhere.
    void add(const std::string& key);
};
/// The same where they were listed already.
std::shared_ptr<const KeyChain> open_keys(ObjectStore& store, const KeyNames& names,
                                          const ConfigRecord& config,
                                          const Credentials& credentials,
                                          const std::stop_token& stop);

} // namespace backstay::core
