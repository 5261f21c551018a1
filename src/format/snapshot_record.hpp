#pragma once

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "format/content.hpp"
#include "format/entry.hpp"

#include <string>
#include <vector>

namespace backstay::core {

/// A source's part of a snapshot.
struct SnapshotSource {
    std::string name;    ///< the child of the root
    std::string kind;    ///< "tree", "stream", "command", "archive", "host", …
    std::vector<std::string> roots; ///< what was asked for, raw bytes
    std::uint8_t verdict = 1;       ///< 1 ok, 2 damaged, 3 failed (an optional source)
    std::uint64_t problems = 0;
    std::string record;  ///< JSON text of the source's own, may be empty
    std::string message;
    bool operator==(const SnapshotSource&) const = default;
};

struct SnapshotCounts {
    std::uint64_t entries = 0, entries_new = 0, entries_changed = 0, entries_unchanged = 0;
    std::uint64_t bytes_source = 0, bytes_read = 0, bytes_new = 0, bytes_stored = 0, blobs_new = 0, problems = 0;
    std::uint64_t milliseconds = 0;
    bool operator==(const SnapshotCounts&) const = default;
};

/// The body of snapshots/<sid> (class meta). docs/format.md, "Snapshots".
struct SnapshotRecord {
    SessionId id{};
    Timestamp time;    ///< signed; what retention and `latest` go by
    std::string kind = "backup"; ///< or "log"
    std::string host;
    std::string user;
    std::vector<std::string> tags; ///< as given at the backup; notes change them
    std::string comment;
    std::string program; ///< "backstay 0.1.0"
    Subtree root;
    std::vector<SnapshotSource> sources;
    SnapshotCounts counts;
    Content problems;  ///< a stream of encoded problems (BlobKind::record pages), may be empty

    // The chain of a series: host and sources' names and roots.
    std::string series;
    std::uint64_t counter = 0; ///< 1 for the first
    SessionId parent{};        ///< what unchanged entries were taken over from; all zero: none
    SessionId predecessor{};   ///< of the series; all zero: none
    std::array<std::uint8_t, 32> predecessor_digest{}; ///< SHA-256 of the predecessor's object
    std::array<std::uint8_t, 32> condemned_digest{};   ///< SHA-256 of the sorted names of gc/ read at the start
    bool operator==(const SnapshotRecord&) const = default;
};

Bytes encode_snapshot(const SnapshotRecord& record);
SnapshotRecord decode_snapshot(ByteSpan plain);

/// One problem as kept in SnapshotRecord::problems, one after another.
struct ProblemRecord {
    std::string source;
    std::string path;
    std::int32_t code = 0;
    std::string message;
    bool operator==(const ProblemRecord&) const = default;
};
class Encoder;
class Decoder;
void encode_problem(Encoder& to, const ProblemRecord& problem);
ProblemRecord decode_problem(Decoder& from);

} // namespace backstay::core
