#include "postgres/archive_toc.hpp"

#include "base/error.hpp"
#include "postgres/archive_names.hpp"

#include <charconv>
#include <fmt/core.h>
#include <utility>

namespace backstay::core
{

namespace
{

// pg_dump's own: src/bin/pg_dump/pg_backup_archiver.h.
constexpr std::string_view magic = "PGDMP";
constexpr int oldest_minor = 14;
constexpr int newest_minor = 16;
constexpr int minor_with_algorithm = 15; ///< its byte, instead of a level
constexpr int minor_with_relation_kind = 16;
constexpr std::uint8_t integer_size = 4;
constexpr std::uint8_t offset_size = 8;
constexpr std::uint8_t custom_format = 1;
constexpr int fields_of_a_date = 7;

constexpr std::size_t longest_block_name = 2048;
constexpr std::string_view table_data = "TABLE DATA";

struct Incomplete {
};
struct Foreign {
    std::string why;
};

std::string short_block_name(const PostgresTocEntry& entry)
{
    if (entry.kind == table_data && !entry.tag.empty()) {
        return join_postgres_names(entry.schema, entry.tag);
    }
    return entry.holds_objects() ? "large-objects" : "#" + escape_postgres_name(entry.kind);
}

} // namespace

/// Reads what is there. Throws Incomplete at the end of the bytes, Foreign for what cannot be.
class PostgresTocReader::Cursor
{
public:
    Cursor(const Bytes& bytes, std::size_t at) : bytes_(bytes), at_(at) {}

    std::size_t at() const { return at_; }

    std::uint8_t byte()
    {
        need(1);
        return bytes_[at_++];
    }

    /// A sign and four bytes, the least significant first.
    std::int64_t integer()
    {
        need(1 + integer_size);
        const std::uint8_t sign = bytes_[at_++];
        std::int64_t value = 0;
        for (unsigned i = 0; i < integer_size; ++i) {
            value |= static_cast<std::int64_t>(bytes_[at_++]) << (8 * i);
        }
        if (sign > 1) {
            throw Foreign{"a number in it is none"};
        }
        return sign == 1 ? -value : value;
    }

    std::int32_t positive()
    {
        const std::int64_t value = integer();
        if (value < 0 || value > INT32_MAX) {
            throw Foreign{"a number in it is out of bounds"};
        }
        return static_cast<std::int32_t>(value);
    }

    /// Empty where there is none.
    std::optional<Text> text()
    {
        const std::int64_t size = integer();
        if (size < -1 || size > static_cast<std::int64_t>(max_size)) {
            throw Foreign{"a text in it is out of bounds"};
        }
        if (size < 0) {
            return std::nullopt;
        }
        need(static_cast<std::size_t>(size));
        const Text text{at_, static_cast<std::size_t>(size)};
        at_ += text.size;
        return text;
    }

    void skip(std::size_t size)
    {
        need(size);
        at_ += size;
    }

    std::string_view view(const Text& text) const
    {
        return as_text(ByteSpan(bytes_).subspan(text.at, text.size));
    }

private:
    void need(std::size_t size) const
    {
        if (bytes_.size() - at_ < size) {
            throw Incomplete{};
        }
    }

    const Bytes& bytes_;
    std::size_t at_;
};

void PostgresTocReader::read_header()
{
    Cursor from(bytes_, 0);
    for (const char c : magic) {
        if (from.byte() != static_cast<std::uint8_t>(c)) {
            throw Foreign{"it is no archive of pg_dump"};
        }
    }
    const int major = from.byte();
    const int minor = from.byte();
    const int revision = from.byte();
    if (major != 1 || minor < oldest_minor || minor > newest_minor || revision != 0) {
        throw Foreign{fmt::format("its version is {}.{}.{}", major, minor, revision)};
    }
    if (from.byte() != integer_size || from.byte() != offset_size || from.byte() != custom_format) {
        throw Foreign{"its form is not the custom one of a 64-bit machine"};
    }
    const std::int64_t compression = minor >= minor_with_algorithm ? from.byte() : from.integer();
    if (compression != 0) {
        throw Foreign{"it is compressed"};
    }
    for (int i = 0; i < fields_of_a_date; ++i) {
        from.integer();
    }
    const Text database = from.text().value_or(Text{});
    const Text server = from.text().value_or(Text{});
    const Text tool = from.text().value_or(Text{});
    const std::int32_t count = from.positive();
    database_ = database;
    server_version_ = server;
    tool_version_ = tool;
    left_ = count;
    minor_ = minor;
    done_ = from.at();
}

void PostgresTocReader::read_entry()
{
    Cursor from(bytes_, done_);
    Row row;
    row.dump_id = from.positive();
    row.has_data = from.integer() != 0;
    from.text(); // the catalog's oid
    from.text(); // the object's
    row.tag = from.text().value_or(Text{});
    row.kind = from.text().value_or(Text{});
    row.section = from.positive();
    row.definition = from.text().value_or(Text{});
    from.text(); // how to drop it
    row.copy_statement = from.text().value_or(Text{});
    row.schema = from.text().value_or(Text{});
    row.tablespace = from.text().value_or(Text{});
    from.text(); // access method
    if (minor_ >= minor_with_relation_kind) {
        from.integer();
    }
    row.owner = from.text().value_or(Text{});
    from.text(); // with oids
    while (const std::optional<Text> dependency = from.text()) {
        const std::string_view digits = from.view(*dependency);
        std::int32_t id = 0;
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), id);
        if (error != std::errc() || end != digits.data() + digits.size()) {
            throw Foreign{"a dependency in it is no number"};
        }
        row.dependencies.push_back(id);
    }
    row.offset_at = from.at();
    from.skip(1 + offset_size);
    if (!ids_.insert(row.dump_id).second) {
        throw Foreign{"two of its entries have one number"};
    }
    rows_.push_back(std::move(row));
    done_ = from.at();
    --left_;
}

void PostgresTocReader::advance()
{
    if (minor_ == 0) {
        read_header();
    }
    while (left_ > 0) {
        read_entry();
    }
}

PostgresTocReader::State PostgresTocReader::feed(ByteSpan bytes)
{
    append(bytes_, bytes);
    try {
        advance();
        return State::complete;
    } catch (const Incomplete&) {
        if (bytes_.size() <= max_size) {
            return State::incomplete;
        }
        why_ = fmt::format("its table of contents is larger than {} MiB", max_size / MiB);
    } catch (const Foreign& foreign) {
        why_ = foreign.why;
    }
    return State::foreign;
}

PostgresToc PostgresTocReader::take(Bytes& rest)
{
    rest.assign(bytes_.begin() + static_cast<std::ptrdiff_t>(done_), bytes_.end());
    bytes_.resize(done_);
    PostgresToc toc;
    toc.bytes_ = std::move(bytes_);
    toc.minor_ = minor_;
    const auto view = [&toc](const Text& text) {
        return as_text(ByteSpan(toc.bytes_).subspan(text.at, text.size));
    };
    toc.database_ = view(database_);
    toc.server_version_ = view(server_version_);
    toc.tool_version_ = view(tool_version_);
    for (Row& row : rows_) {
        PostgresTocEntry entry;
        entry.dump_id = row.dump_id;
        entry.has_data = row.has_data;
        entry.section = row.section;
        entry.tag = view(row.tag);
        entry.kind = view(row.kind);
        entry.definition = view(row.definition);
        entry.copy_statement = view(row.copy_statement);
        entry.schema = view(row.schema);
        entry.tablespace = view(row.tablespace);
        entry.owner = view(row.owner);
        entry.dependencies = std::move(row.dependencies);
        entry.offset_at = row.offset_at;
        toc.by_id_[entry.dump_id] = toc.entries_.size();
        toc.entries_.push_back(std::move(entry));
    }
    rows_.clear();
    toc.name_blocks();
    return toc;
}

PostgresToc PostgresToc::decode(Bytes bytes)
{
    PostgresTocReader reader;
    const PostgresTocReader::State state = reader.feed(bytes);
    Bytes rest;
    if (state != PostgresTocReader::State::complete) {
        throw Error(
            ErrorCode::damaged,
            state == PostgresTocReader::State::foreign
                ? fmt::format("the archive's table of contents is not known: {}", reader.why())
                : "the archive's table of contents ends too early");
    }
    PostgresToc toc = reader.take(rest);
    if (!rest.empty()) {
        throw Error(ErrorCode::damaged, "there is more behind the archive's table of contents");
    }
    return toc;
}

std::string PostgresToc::version() const
{
    return fmt::format("1.{}", minor_);
}

const PostgresTocEntry* PostgresToc::find(std::int32_t dump_id) const
{
    const auto found = by_id_.find(dump_id);
    return found != by_id_.end() ? &entries_[found->second] : nullptr;
}

void PostgresToc::name_blocks()
{
    std::unordered_set<std::string> taken;
    for (PostgresTocEntry& entry : entries_) {
        if (!entry.has_data) {
            continue;
        }
        // '#' is escaped in names: with two of them and its number a block's name is nobody else's.
        const std::string name = short_block_name(entry);
        const bool fits = name.size() <= longest_block_name;
        entry.block_name = fits && taken.insert(name).second
                               ? name
                               : fmt::format("{}##{}", fits ? name : "", entry.dump_id);
    }
}

} // namespace backstay::core
