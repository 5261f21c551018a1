#include "repo/repository.hpp"

#include "base/error.hpp"
#include "base/farewell.hpp"
#include "base/random.hpp"
#include "repo/named_error.hpp"
#include "repo/own_object.hpp"

#include <algorithm>
#include <bit>
#include <fmt/core.h>
#include <optional>

namespace backstay::core
{

namespace
{

constexpr std::uint64_t least_pack_size = 8 * MiB;
constexpr std::uint64_t largest_pack_size = 512 * MiB;
constexpr std::uint32_t least_chunk_average = 4 * KiB;
constexpr std::uint32_t largest_chunk_average = 4 * MiB;

void check_options(const InitOptions& init, const Credentials& credentials)
{
    if (init.pack_size < least_pack_size || init.pack_size > largest_pack_size) {
        throw Error(ErrorCode::invalid, "the pack size must be from 8 MiB to 512 MiB", "pack-size");
    }
    const std::uint32_t average = init.chunker.average;
    if (!std::has_single_bit(average) || average < least_chunk_average ||
        average > largest_chunk_average) {
        throw Error(ErrorCode::invalid,
                    "the average chunk must be a power of two from 4 KiB to 4 MiB", "chunk-size");
    }
    if (init.encrypted && !credentials.given()) {
        throw Error(ErrorCode::invalid, "an encrypted repository needs a passphrase or a key file");
    }
    if (!init.encrypted && credentials.given()) {
        throw Error(ErrorCode::invalid,
                    "a repository without encryption takes no passphrase and no key file");
    }
}

/// The first few of what lies under these prefixes, and how many there are.
struct Found {
    std::vector<std::string> first;
    std::size_t count = 0;
};

Found find_objects(ObjectStore& store, std::initializer_list<const char*> prefixes,
                   const std::stop_token& stop)
{
    constexpr std::size_t shown = 4;
    Found found;
    for (const char* prefix : prefixes) {
        store.list(
            prefix, Freshness::fresh,
            [&found](const ObjectInfo& info) {
                if (found.first.size() < shown) {
                    found.first.push_back(info.key);
                }
                ++found.count;
            },
            stop);
    }
    return found;
}

std::string join(const Found& found)
{
    std::string text;
    for (const std::string& key : found.first) {
        text += (text.empty() ? "" : ", ") + key;
    }
    return found.count > found.first.size()
               ? fmt::format("{} and {} more", text, found.count - found.first.size())
               : text;
}

std::string uri_of(ObjectStore& store, const std::stop_token& stop)
{
    return store.describe(stop).uri;
}

/// What inits that were interrupted left: they make a slot, then the first keyring, then the
/// config. Empty if something else is there, too.
std::optional<std::vector<std::string>> left_by_inits(ObjectStore& store,
                                                      const std::stop_token& stop)
{
    std::vector<std::string> keys;
    bool nothing_else = true;
    const std::vector<std::string> prefixes{"keyring/", "keys/"};
    store.list_all(
        prefixes, Freshness::fresh,
        [&](const ObjectInfo& info) {
            const bool is_slot = parse_id_key<SlotId>("keys/", info.key).has_value();
            nothing_else = nothing_else && (is_slot || info.key == keyring_key(1));
            keys.push_back(info.key);
        },
        stop);
    return nothing_else ? std::optional(std::move(keys)) : std::nullopt;
}

void check_empty(ObjectStore& store, bool discard_interrupted, const std::stop_token& stop)
{
    if (find_objects(store, {"config/"}, stop).count > 0) {
        throw Error(ErrorCode::exists, uri_of(store, stop) + " already holds a repository",
                    "config/");
    }
    const Found data =
        find_objects(store, {"snapshots/", "index/", "gc/", "sessions/", "notes/", "packs/"}, stop);
    if (data.count > 0) {
        throw Error(ErrorCode::exists,
                    fmt::format("{} is not empty: {}. It seems to be a repository whose config/ is "
                                "lost: restore config/ from a "
                                "copy, or choose another place",
                                uri_of(store, stop), join(data)),
                    data.first.front());
    }
    const Found keys = find_objects(store, {"keyring/", "keys/"}, stop);
    if (keys.count == 0) {
        return;
    }
    const auto left = left_by_inits(store, stop);
    if (!left) {
        throw Error(ErrorCode::exists,
                    fmt::format("{} is not empty: {}. It seems to be a repository whose config/ is "
                                "lost: restore config/ from a copy, or choose another place",
                                uri_of(store, stop), join(keys)),
                    keys.first.front());
    }
    if (!discard_interrupted) {
        throw Error(
            ErrorCode::exists,
            fmt::format("{} is not empty: {}. That is what an interrupted init leaves: if "
                        "none is running, give init --discard-interrupted, which removes it "
                        "first",
                        uri_of(store, stop), join(keys)),
            keys.first.front());
    }
    for (const std::string& key : *left) {
        store.remove(key, stop);
    }
}

/// Objects that are removed again unless kept. Best effort: what stays is named by the next init.
class Provisional
{
public:
    Provisional(ObjectStore& store, const std::stop_token& stop) : store_(store), farewell_(stop) {}
    ~Provisional()
    {
        if (keys_.empty()) {
            return;
        }
        try {
            store_.remove_all(keys_, farewell_.begin());
        } catch (const std::exception&) { // the next init names them
        }
    }
    void create(const std::string& key, ByteSpan object, const std::stop_token& stop)
    {
        if (!create_own(store_, key, object, stop)) {
            throw Error(ErrorCode::exists, key + ": another init is running on the same place",
                        key);
        }
        keys_.push_back(key);
    }
    void keep() { keys_.clear(); }

private:
    ObjectStore& store_;
    std::vector<std::string> keys_;
    Farewell farewell_;
};

[[noreturn]] void throw_no_config(ObjectStore& store, const std::stop_token& stop)
{
    const std::string uri = uri_of(store, stop);
    const Found rest = find_objects(store, {"snapshots/", "keyring/", "keys/"}, stop);
    if (rest.count > 0) {
        throw Error(ErrorCode::damaged,
                    fmt::format("{} lacks config/, though there is {}: either init was interrupted "
                                "(then init again with --discard-interrupted), "
                                "or config/ is lost (then restore it from a copy)",
                                uri, join(rest)),
                    "config/");
    }
    throw Error(ErrorCode::not_found,
                fmt::format("there is no repository at {}; make one with init", uri), "config/");
}

/// What an opening goes by.
struct OpeningNames {
    std::optional<std::uint64_t> newest_config;
    KeyNames keys;
    std::optional<Outlook> outlook;
};

/// By as few lists as can be: to some stores each is a round trip of some 50 ms.
OpeningNames list_for_opening(ObjectStore& store, bool look_ahead, const std::stop_token& stop)
{
    OpeningNames names;
    const auto add = [&names](const ObjectInfo& info) {
        if (const auto number = parse_numbered_key("config/", info.key)) {
            names.newest_config = std::max(names.newest_config.value_or(0), *number);
        }
        names.keys.add(info.key);
    };
    std::vector<std::string> prefixes{"config/", "keyring/", "keys/"};
    if (look_ahead) {
        names.outlook = list_outlook(store, std::move(prefixes), add, stop);
    } else {
        store.list_all(prefixes, Freshness::cached, add, stop);
    }
    return names;
}

std::string folder_for(const OpenOptions& open, const KeyChain& keys)
{
    if (open.cache_folder.empty()) {
        return {};
    }
    Bytes what;
    append(what, as_bytes("cache"));
    append(what, keys.repository().span());
    return open.cache_folder + "/" + to_hex(keys.fingerprint(what)).substr(0, 16);
}

const Clock& clock_of(const OpenOptions& open)
{
    return open.clock != nullptr ? *open.clock : system_clock();
}

} // namespace

Repository::Repository(std::shared_ptr<ObjectStore> store, ConfigRecord config,
                       std::shared_ptr<const KeyChain> keys, const OpenOptions& open)
    : store_(std::move(store)), config_(std::move(config)), keys_(std::move(keys)),
      cache_(std::make_unique<ObjectCache>(*store_, folder_for(open, *keys_), open.cache_limit)),
      clock_(&clock_of(open))
{
}

std::shared_ptr<Repository> Repository::init(std::shared_ptr<ObjectStore> store,
                                             const InitOptions& init,
                                             const Credentials& credentials,
                                             const OpenOptions& open, const std::stop_token& stop)
{
    check_options(init, credentials);
    store->probe(stop);
    check_empty(*store, init.discard_interrupted, stop);

    ConfigRecord config;
    config.number = 1;
    config.repository = random_id<RepositoryId>();
    config.created = clock_of(open).now();
    config.encrypted = init.encrypted;
    config.chunker = init.chunker;
    config.pack_size = init.pack_size;
    const NewKeys keys =
        make_first_keys(config.repository, credentials, init.label, config.created);
    const Bytes config_object = encode_envelope(
        keys.chain->make_envelope(ObjectType::config, KeyClass::open, encode_config(config)));

    Provisional provisional(*store, stop);
    provisional.create(slot_key(keys.slot), keys.slot_object, stop);
    provisional.create(keyring_key(1), keys.keyring_object, stop);
    try {
        provisional.create(config_key(config.number), config_object, stop);
    } catch (const Error& error) {
        // The config may turn up later: then what it needs must be there.
        if (error.code() == ErrorCode::unavailable || error.code() == ErrorCode::cancelled) {
            provisional.keep();
        }
        throw;
    }
    provisional.keep();
    return std::shared_ptr<Repository>(
        new Repository(std::move(store), std::move(config), keys.chain, open));
}

std::shared_ptr<Repository> Repository::open(std::shared_ptr<ObjectStore> store,
                                             const Credentials& credentials,
                                             const OpenOptions& open, const std::stop_token& stop)
{
    OpeningNames names = list_for_opening(*store, open.look_ahead, stop);
    const auto number = names.newest_config;
    if (!number) {
        throw_no_config(*store, stop);
    }
    const std::string name = config_key(*number);
    const Envelope envelope = naming(
        name, [&] { return decode_envelope(get_object(*store, name, max_envelope_size, stop)); });
    // Read before anything can vouch for it: it says which repository's keys to look for. Then the
    // keys vouch for it.
    ConfigRecord config = naming(name, [&] { return decode_config(envelope.body); });
    if (config.number != *number) {
        throw Error(ErrorCode::damaged, name + ": this config was made under another name", name);
    }
    auto keys = open_keys(*store, names.keys, config, credentials, stop);
    keys->open_envelope(envelope, ObjectType::config, name);
    std::shared_ptr<Repository> repository(
        new Repository(std::move(store), std::move(config), std::move(keys), open));
    repository->seen_ahead_ = std::move(names.outlook);
    return repository;
}

unsigned Repository::reads_at_once(const std::stop_token& stop)
{
    return std::max(1U, store_->describe(stop).max_concurrency);
}

Outlook Repository::outlook(const std::stop_token& stop)
{
    {
        const std::lock_guard lock(mutex_);
        if (seen_ahead_) {
            return *std::exchange(seen_ahead_, std::nullopt);
        }
    }
    return list_outlook(*store_, {}, {}, stop);
}

Repository::Object Repository::open_object(const std::string& key, ByteSpan bytes,
                                           std::initializer_list<ObjectType> types) const
{
    const Envelope envelope = naming(key, [&] { return decode_envelope(bytes); });
    const bool expected = std::find(types.begin(), types.end(), envelope.type) != types.end();
    const ObjectType type = expected ? envelope.type : *types.begin();
    return {type, keys_->open_envelope(envelope, type, key), envelope.signer, sha256(bytes)};
}

Repository::Object Repository::read_any(const std::string& key,
                                        std::initializer_list<ObjectType> types,
                                        const std::stop_token& stop)
{
    const Bytes bytes = cache_->get(key, max_envelope_size, stop);
    try {
        return open_object(key, bytes, types);
    } catch (const Error&) {
        const Bytes again = cache_->get_again(key, max_envelope_size, stop);
        if (equal(again, bytes)) {
            throw;
        }
        return open_object(key, again, types);
    }
}

Repository::Object Repository::read_any_fresh(const std::string& key,
                                              std::initializer_list<ObjectType> types,
                                              const std::stop_token& stop)
{
    return open_object(key, get_object(*store_, key, max_envelope_size, stop), types);
}

Bytes Repository::read_object(const std::string& key, ObjectType type, const std::stop_token& stop)
{
    return read_any(key, {type}, stop).body;
}

Digest Repository::write_object(const std::string& key, ObjectType type, KeyClass key_class,
                                ByteSpan body, const std::stop_token& stop)
{
    const Bytes object = encode_envelope(keys_->make_envelope(type, key_class, body));
    if (!create_own(*store_, key, object, stop)) {
        throw Error(ErrorCode::exists, key + ": something else has this name", key);
    }
    return sha256(object);
}

} // namespace backstay::core
