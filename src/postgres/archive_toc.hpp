#pragma once

#include "base/bytes.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace backstay::core
{

/// One object that pg_dump describes in an archive's table of contents. Texts are views into the
/// table's bytes; empty where the archive has none.
struct PostgresTocEntry {
    std::int32_t dump_id = 0;
    bool has_data = false;           ///< a data block may follow the table of contents
    std::int32_t section = 0;        ///< see PostgresSection
    std::string_view tag;            ///< the object's name, or what names it ("orders orders_pkey")
    std::string_view kind;           ///< "TABLE", "TABLE DATA", "INDEX"…
    std::string_view definition;     ///< SQL that makes it
    std::string_view copy_statement; ///< of table data: "COPY … FROM stdin;"
    std::string_view schema;
    std::string_view tablespace;
    std::string_view owner;
    std::vector<std::int32_t> dependencies; ///< dump ids
    std::size_t offset_at = 0; ///< where in the table its data's offset stands (1 + 8 bytes)
    std::string block_name;    ///< of its data block: "schema.table"; empty: it has none

    /// Rows in COPY's text form: what stands between the rows' lengths is kept, not the lengths.
    bool has_rows() const { return has_data && !holds_objects() && !copy_statement.empty(); }
    /// Its data are large objects.
    bool holds_objects() const { return kind == "BLOBS"; }
};

enum PostgresSection : std::int32_t {
    section_none = 1,
    section_pre_data = 2,
    section_data = 3,
    section_post_data = 4,
};

/// Header and table of contents of an archive in pg_dump's custom format, uncompressed, versions
/// 1.14 to 1.16 (pg_dump 12 to 18). Movable; what it gives points into it.
class PostgresToc
{
public:
    /// Throws Error{damaged} unless `bytes` are exactly a header and its table of contents.
    static PostgresToc decode(Bytes bytes);

    PostgresToc(PostgresToc&&) = default;
    PostgresToc& operator=(PostgresToc&&) = default;

    ByteSpan bytes() const { return bytes_; }
    std::string version() const; ///< of the format: "1.14"
    std::string_view database() const { return database_; }
    std::string_view server_version() const { return server_version_; }
    std::string_view tool_version() const { return tool_version_; }
    const std::vector<PostgresTocEntry>& entries() const { return entries_; }
    const PostgresTocEntry* find(std::int32_t dump_id) const;

private:
    friend class PostgresTocReader;
    PostgresToc() = default;
    void name_blocks();

    Bytes bytes_;
    int minor_ = 0;
    std::string_view database_;
    std::string_view server_version_;
    std::string_view tool_version_;
    std::vector<PostgresTocEntry> entries_;
    std::unordered_map<std::int32_t, std::size_t> by_id_;
};

/// Finds the end of header and table of contents while an archive streams in.
class PostgresTocReader
{
public:
    static constexpr std::size_t max_size = 256 * MiB;

    enum class State : std::uint8_t {
        incomplete, ///< more bytes are needed
        complete,   ///< take() gives it; rest() begins behind it
        foreign,    ///< of a version, form or size that is not known: why() says
    };
    /// Appends bytes of the archive.
    State feed(ByteSpan bytes);
    /// Of foreign ones, or where no more will come: what was fed.
    const Bytes& bytes() const { return bytes_; }
    const std::string& why() const { return why_; }
    /// Once complete: the table, and the bytes behind it.
    PostgresToc take(Bytes& rest);

private:
    class Cursor;
    struct Text {
        std::size_t at = 0;
        std::size_t size = 0;
    };
    /// An entry whose texts are places in bytes_, which still moves.
    struct Row {
        std::int32_t dump_id = 0;
        bool has_data = false;
        std::int32_t section = 0;
        Text tag, kind, definition, copy_statement, schema, tablespace, owner;
        std::vector<std::int32_t> dependencies;
        std::size_t offset_at = 0;
    };
    void read_header();
    void read_entry();
    void advance();

    Bytes bytes_;
    std::size_t done_ = 0; ///< understood so far
    int minor_ = 0;        ///< 0: the header is not read yet
    std::int32_t left_ = 0;
    Text database_;
    Text server_version_;
    Text tool_version_;
    std::vector<Row> rows_;
    std::unordered_set<std::int32_t> ids_;
    std::string why_;
};

} // namespace backstay::core
