#include "postgres/archive_joiner.hpp"
#include "postgres/archive_names.hpp"
#include "postgres/archive_splitter.hpp"
#include "support/hostile_bytes.hpp"
#include "support/sample_archive.hpp"
#include "support/temp_dir.hpp"

#include "base/file.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <map>
#include <random>

using namespace backstay::core;

namespace
{

/// Gives bytes as a pipe does, and reads them in pieces of this size.
struct Taken {
    Bytes contents;
    std::vector<std::pair<std::string, Bytes>> blocks; ///< in the archive's order
    Bytes whole;
    std::string why;
};

PostgresArchiveSplitter::Read from_bytes(const Bytes& bytes)
{
    return [&bytes, at = std::size_t{0}](MutableByteSpan to) mutable {
        const std::size_t size = std::min(to.size(), bytes.size() - at);
        std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), size, to.begin());
        at += size;
        return size;
    };
}

Bytes read_part(PostgresArchiveSplitter& splitter, std::size_t piece)
{
    Bytes all;
    Bytes buffer(piece);
    while (true) {
        const std::size_t got = splitter.read(buffer);
        append(all, ByteSpan(buffer).first(got));
        if (got < buffer.size()) {
            return all;
        }
    }
}

Taken split(const Bytes& archive, std::size_t piece = 1000)
{
    PostgresArchiveSplitter splitter(from_bytes(archive));
    Taken taken;
    while (const auto part = splitter.next()) {
        Bytes bytes = read_part(splitter, piece);
        if (part->kind == PostgresArchiveSplitter::Part::Kind::contents) {
            taken.contents = std::move(bytes);
        } else if (part->kind == PostgresArchiveSplitter::Part::Kind::whole) {
            taken.whole = std::move(bytes);
        } else {
            taken.blocks.emplace_back(part->entry->block_name, std::move(bytes));
        }
    }
    taken.why = splitter.why();
    return taken;
}

Bytes join(const Taken& taken, const std::vector<std::string>& wanted = {})
{
    const PostgresToc contents = PostgresToc::decode(taken.contents);
    Bytes out;
    PostgresArchiveJoiner joiner(contents, [&out](ByteSpan bytes) { append(out, bytes); });
    for (const PostgresTocEntry& entry : contents.entries()) {
        for (const auto& [name, bytes] : taken.blocks) {
            const bool chosen =
                wanted.empty() || std::find(wanted.begin(), wanted.end(), name) != wanted.end();
            if (entry.has_data && name == entry.block_name && chosen) {
                joiner.begin_block(entry);
                joiner.add(bytes);
                joiner.end_block();
            }
        }
    }
    joiner.finish();
    return out;
}

Bytes sample(int minor = 14)
{
    SampleArchive archive(minor);
    archive.add({.id = 1, .tag = "t"}).table_data(2, "t").table_data(3, "empty");
    archive.add(
        {.id = 4, .has_data = true, .kind = "BLOBS", .schema = "", .tag = "BLOBS", .section = 3});
    Bytes bytes = archive.contents();
    SampleArchive::rows(bytes, 2, {"1\tone", "2\t\\N", "", std::string(5000, 'x')});
    SampleArchive::rows(bytes, 3, {});
    SampleArchive::objects(bytes, 4,
                           {{16401, "blob"}, {-1294967296, std::string(70000, 'b')}, {16402, ""}});
    return bytes;
}

Bytes real_dump()
{
    return read_small_file(std::string(BACKSTAY_CORPORA) + "/postgres_archive/pg_dump-15", 1 * MiB);
}

std::string text(const Bytes& bytes)
{
    return std::string(as_text(bytes));
}

} // namespace

TEST_CASE("an archive is the same after it was taken apart and joined")
{
    for (const int minor : {14, 15, 16}) {
        CAPTURE(minor);
        for (const std::size_t piece : {1, 7, 4096, 1 << 20}) {
            CAPTURE(piece);
            const Bytes archive = sample(minor);
            CHECK(join(split(archive, piece)) == archive);
        }
    }
}

TEST_CASE("what pg_dump 15 wrote is the same after it was taken apart and joined")
{
    const Bytes archive = real_dump();
    const Taken taken = split(archive);
    CHECK(taken.whole.empty());
    CHECK(taken.blocks.size() == 8);
    CHECK(join(taken) == archive);
}

TEST_CASE("a table's part of an archive is its rows as COPY gives them")
{
    const Taken taken = split(sample());
    REQUIRE(taken.blocks.size() == 3);
    CHECK(taken.blocks[0].first == "public.t");
    CHECK(text(taken.blocks[0].second) == "1\tone\n2\t\\N\n\n" + std::string(5000, 'x') + "\n");
    CHECK(taken.blocks[1].first == "public.empty");
    CHECK(taken.blocks[1].second.empty());
    CHECK(taken.blocks[2].first == "large-objects");
}

TEST_CASE("a part that is not read is passed over")
{
    const Bytes archive = sample();
    PostgresArchiveSplitter splitter(from_bytes(archive));
    std::vector<std::string> names;
    while (const auto part = splitter.next()) {
        names.push_back(part->entry != nullptr ? part->entry->block_name : "contents");
    }
    CHECK(names ==
          std::vector<std::string>{"contents", "public.t", "public.empty", "large-objects"});
}

TEST_CASE("chosen blocks are joined without the others")
{
    const Taken taken = split(sample());
    const Taken chosen = split(join(taken, {"large-objects"}));
    REQUIRE(chosen.blocks.size() == 1);
    CHECK(chosen.blocks[0] == taken.blocks[2]);
    CHECK(chosen.contents == taken.contents);
}

TEST_CASE("a row larger than a piece is restored whole")
{
    SampleArchive archive;
    Bytes bytes = archive.table_data(1, "wide").contents();
    const std::string row(3 * MiB + 17, 'w');
    SampleArchive::rows(bytes, 1, {row, "small"});
    const Taken again = split(join(split(bytes)));
    CHECK(text(again.blocks.at(0).second) == row + "\nsmall\n");
}

TEST_CASE("names with case, quotes, blanks, slashes, dots and unicode are told apart and come back")
{
    std::mt19937 random(20261125);
    std::map<std::string, PostgresTableName> seen;
    const std::string alphabet = "aAbB \"'/\\.%#\t\n\x7f\x01\xc3\xa4";
    for (int i = 0; i < 20'000; ++i) {
        PostgresTableName name;
        for (std::string* part : {&name.schema, &name.table}) {
            const std::size_t size = 1 + random() % 6;
            for (std::size_t at = 0; at < size; ++at) {
                *part += alphabet[random() % alphabet.size()];
            }
        }
        const std::string joined = join_postgres_names(name.schema, name.table);
        CHECK(joined.find('/') == std::string::npos);
        CHECK(split_postgres_names(joined) == name);
        const auto [at, is_new] = seen.emplace(joined, name);
        CHECK((is_new || at->second == name));
    }
    CHECK(escape_postgres_name("..") == "%2E%2E");
    CHECK_FALSE(unescape_postgres_name("a/b"));
    CHECK_FALSE(unescape_postgres_name("%4"));
    CHECK_FALSE(unescape_postgres_name("%41")); // 'A' needs none
    CHECK_FALSE(split_postgres_names("no-dot"));
}

TEST_CASE("two blocks that would have one name have two")
{
    SampleArchive archive;
    archive.table_data(1, "t").table_data(2, "t");
    const PostgresToc contents = PostgresToc::decode(archive.contents());
    CHECK(contents.entries()[0].block_name == "public.t");
    CHECK(contents.entries()[1].block_name == "public.t##2");
}

TEST_CASE("an archive of a version that is not known stays one stream")
{
    Bytes archive = sample();
    archive[6] = 17;
    const Taken taken = split(archive);
    CHECK(taken.whole == archive);
    CHECK(taken.contents.empty());
    CHECK(taken.why == "its version is 1.17.0");
}

TEST_CASE("what is no archive at all stays one stream")
{
    const Bytes script(200'000, 'x');
    CHECK(split(script).whole == script);
    CHECK(split({}).whole.empty());
}

TEST_CASE("a compressed archive stays one stream")
{
    Bytes archive = sample(15);
    archive[11] = 1;
    CHECK(split(archive).whole == archive);
}

TEST_CASE("an archive that breaks off in its data is an error, wherever it does")
{
    const Bytes archive = sample();
    const std::size_t head = split(archive).contents.size();
    std::size_t whole = 0;
    for (std::size_t size = head; size < archive.size(); size += size < head + 40 ? 1 : 997) {
        CAPTURE(size);
        const Bytes part(archive.begin(), archive.begin() + static_cast<std::ptrdiff_t>(size));
        try {
            split(part);
            ++whole; // between two blocks: pg_dump's exit status tells
        } catch (const Error& error) {
            CHECK(error.code() == ErrorCode::damaged);
        }
    }
    CHECK(whole <= 3);
}

TEST_CASE("a table of contents that is cut off or longer is refused")
{
    const Bytes contents = split(sample()).contents;
    const auto decode = [](ByteSpan bytes) {
        return text(Bytes(PostgresToc::decode(Bytes(bytes.begin(), bytes.end())).bytes().begin(),
                          PostgresToc::decode(Bytes(bytes.begin(), bytes.end())).bytes().end()));
    };
    CHECK(refuses_every_truncation(contents, decode));
    Bytes longer = contents;
    longer.push_back(0);
    CHECK(is_refused(longer, decode));
}

TEST_CASE("blocks that the table of contents does not tell, or in another order, are refused")
{
    SampleArchive archive;
    const Bytes contents = archive.table_data(1, "a").table_data(2, "b").contents();
    for (const std::vector<int>& ids : {std::vector<int>{3}, {2, 1}, {1, 1}}) {
        Bytes bytes = contents;
        for (const int id : ids) {
            SampleArchive::rows(bytes, id, {"x"});
        }
        CHECK_THROWS_AS(split(bytes), Error);
    }
    Bytes wrong_kind = contents;
    SampleArchive::objects(wrong_kind, 1, {});
    CHECK_THROWS_AS(split(wrong_kind), Error);
}

TEST_CASE("changed bytes of an archive are read as they are or refused, nothing else")
{
    const Bytes archive = real_dump();
    std::mt19937 random(13);
    for (int i = 0; i < 3000; ++i) {
        Bytes changed = archive;
        for (int flips = 0; flips < 3; ++flips) {
            changed[random() % (i % 2 == 0 ? 2000 : changed.size())] =
                static_cast<std::uint8_t>(random());
        }
        try {
            split(changed);
        } catch (const Error& error) {
            CHECK(error.code() == ErrorCode::damaged);
        }
    }
}
