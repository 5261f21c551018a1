#include "engine/objects.hpp"

#include "base/error.hpp"
#include "format/envelope.hpp"
#include "format/pack.hpp"
#include "repo/blob_index.hpp"

#include <array>
#include <fmt/core.h>

namespace backstay::core
{

namespace
{

constexpr std::array object_kinds{"config",   "keyring",   "keys",  "packs", "index",
                                  "sessions", "snapshots", "notes", "gc"};

void add_envelope(Record& record, const Envelope& envelope)
{
    record.set("object_type", object_type_name(envelope.type)).set("features", envelope.features);
    record.set("class", key_class_name(envelope.key_class))
        .set("epoch", static_cast<std::uint64_t>(envelope.key_record.epoch));
    record.set("signer", envelope.signer == SlotId{} ? std::string() : envelope.signer.hex());
    record.set("body_size", static_cast<std::uint64_t>(envelope.body.size()));
}

void add_segment(Record& record, Repository& repository, const std::string& name,
                 const std::stop_token& stop)
{
    const auto id = SegmentId::parse(name.substr(name.find('/') + 1));
    if (!id) {
        throw Error(ErrorCode::invalid, "this is no name of an index segment", name);
    }
    const Segment segment = read_segment(repository, *id, stop);
    record.set("object_type", "segment")
        .set("session", segment.footer.session.hex())
        .set("written", segment.footer.written);
    record.set("packs", static_cast<std::uint64_t>(segment.footer.packs.size()))
        .set("blobs", static_cast<std::uint64_t>(segment.entries.size()));
    record.set("checkpoint", segment.footer.checkpoint.has_value());
}

void add_pack(Record& record, Repository& repository, const std::string& name, std::uint64_t size,
              const std::stop_token& stop)
{
    Bytes tail(static_cast<std::size_t>(std::min<std::uint64_t>(size, 2 * pack_trailer_size)));
    tail.resize(repository.store().get(name, size - tail.size(), tail, stop));
    const auto trailer = decode_pack_trailers(tail, size);
    if (!trailer) {
        throw Error(ErrorCode::damaged, "the pack has no readable trailer", name);
    }
    record.set("object_type", "pack")
        .set("directory_offset", trailer->directory_offset)
        .set("directory_size", trailer->directory_size);
}

} // namespace

Record describe_repository(Repository& repository, const std::stop_token& stop)
{
    const ConfigRecord& config = repository.config();
    const StoreDescription store = repository.store().describe(stop);
    Record record("repository");
    record.set("id", config.repository.hex())
        .set("format_version", static_cast<std::uint64_t>(config.version))
        .set("created", config.created);
    record.set("encrypted", config.encrypted)
        .set("features", config.features)
        .set("suite", static_cast<std::uint64_t>(config.suite));
    record.set("chunk_average", static_cast<std::uint64_t>(config.chunker.average))
        .set("pack_size", static_cast<std::uint64_t>(config.pack_size));
    record.set("role", role_name(repository.keys().role()))
        .set("key", repository.keys().slot().hex());
    record.set("store", RawText{store.uri})
        .set("store_kind", store.kind)
        .set("exclusive_create", store.exclusive_create);
    return record.set("note", store.note);
}

Record describe_object(Repository& repository, const std::string& name, const std::stop_token& stop)
{
    if (!is_object_key(name)) {
        throw Error(ErrorCode::invalid, "this is no name of an object: list shows them", name);
    }
    const auto info = repository.store().stat(name, stop);
    if (!info) {
        throw Error(ErrorCode::not_found, "there is no such object", name);
    }
    Record record("object");
    record.set("name", name).set("size", info->size).set("modified", info->modified);
    if (name.starts_with("packs/")) {
        add_pack(record, repository, name, info->size, stop);
    } else if (name.starts_with("index/")) {
        add_segment(record, repository, name, stop);
    } else {
        add_envelope(
            record, decode_envelope(get_object(repository.store(), name, max_envelope_size, stop)));
    }
    return record;
}

Record list_objects(Repository& repository, const std::string& kind, JobContext& context)
{
    std::uint64_t count = 0;
    std::uint64_t bytes = 0;
    for (const char* name : object_kinds) {
        if (kind != "all" && kind != name) {
            continue;
        }
        repository.store().list(
            std::string(name) + "/", Freshness::fresh,
            [&](const ObjectInfo& object) {
                Record record("object");
                record.set("name", object.key)
                    .set("size", object.size)
                    .set("modified", object.modified);
                context.emit(std::move(record));
                ++count;
                bytes += object.size;
            },
            context.stop());
    }
    Record summary("summary");
    summary.set("command", "list").set("objects", count).set("bytes", bytes).set("problems", 0);
    return summary.set("verdict", "ok");
}

} // namespace backstay::core
