#include "source/postgres/rebuilt_file.hpp"

#include "base/error.hpp"
#include "support/fake_view.hpp"
#include "support/seeded_bytes.hpp"

#include <doctest/doctest.h>
#include <set>

using namespace backstay::core;

namespace
{

constexpr std::size_t page_size = 512;
constexpr std::size_t piece = 4 * page_size;

std::uint32_t sum_of(ByteSpan bytes)
{
    Crc32c sum;
    sum.update(bytes);
    return sum.value();
}

Bytes page_of(std::uint32_t block)
{
    return seeded_bytes(1000 + block, page_size);
}

/// What the rules say, byte by byte.
Bytes expected(const Bytes& earlier, const IncrementalHead& head)
{
    Bytes bytes(head.length() * page_size, 0);
    const std::size_t kept =
        std::min(earlier.size() / page_size, std::size_t{head.truncation}) * page_size;
    std::copy_n(earlier.begin(), kept, bytes.begin());
    for (const std::uint32_t block : head.blocks) {
        const Bytes page = page_of(block);
        std::copy(page.begin(), page.end(),
                  bytes.begin() + static_cast<std::ptrdiff_t>(block * page_size));
    }
    return bytes;
}

/// Counts what is read of it.
class CountingStream final : public SnapshotStream
{
public:
    CountingStream(Bytes bytes, std::uint64_t& read) : bytes_(std::move(bytes)), read_(read) {}
    std::uint64_t size() const override { return bytes_.size(); }
    std::size_t read_at(std::uint64_t offset, MutableByteSpan buffer,
                        const std::stop_token&) override
    {
        const std::size_t begin = std::min<std::size_t>(offset, bytes_.size());
        const std::size_t got = std::min(buffer.size(), bytes_.size() - begin);
        std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(begin), got, buffer.begin());
        read_ += got;
        return got;
    }
    std::optional<Extent> next_data(std::uint64_t) override { return std::nullopt; }
    Chunk chunk_at(std::uint64_t, const std::stop_token&) override
    {
        return {0, bytes_.size(), false};
    }
    bool chunk_equals(std::uint64_t offset, ByteSpan bytes, const std::stop_token&) override
    {
        return offset == 0 && std::equal(bytes.begin(), bytes.end(), bytes_.begin(), bytes_.end());
    }

private:
    Bytes bytes_;
    std::uint64_t& read_;
};

struct Case {
    Bytes earlier;
    IncrementalHead head;
    std::uint64_t earlier_read = 0;
    std::vector<std::uint32_t> pages; ///< asked for

    RebuiltFile file()
    {
        return RebuiltFile(
            head, page_size, piece,
            {std::make_unique<CountingStream>(earlier, earlier_read), sum_of(earlier)},
            [this](std::uint32_t block, MutableByteSpan into) {
                pages.push_back(block);
                const Bytes page = page_of(block);
                std::copy(page.begin(), page.end(), into.begin());
            },
            {});
    }
};

Bytes read_all(RebuiltFile& file, std::size_t at_a_time)
{
    Bytes bytes;
    Bytes buffer(at_a_time);
    while (const std::size_t got = file.read(bytes.size(), buffer)) {
        append(bytes, ByteSpan(buffer).first(got));
    }
    return bytes;
}

/// Takes what is kept from the earlier file, without asking for it.
Bytes read_changed(RebuiltFile& file, const Bytes& earlier)
{
    Bytes bytes;
    for (;;) {
        const auto kept = file.next_kept(bytes.size());
        Bytes buffer((kept ? kept->begin : file.size()) - bytes.size());
        CHECK(file.read(bytes.size(), buffer) == buffer.size());
        append(bytes, buffer);
        if (!kept) {
            return bytes;
        }
        append(bytes, ByteSpan(earlier).subspan(kept->begin, kept->end - kept->begin));
    }
}

std::vector<std::uint32_t> some_blocks(std::uint64_t seed, std::uint32_t end, std::size_t count)
{
    std::set<std::uint32_t> blocks;
    const Bytes random = seeded_bytes(seed, count * 2);
    for (std::size_t i = 0; i < count && end > 0; ++i) {
        blocks.insert((random[2 * i] * 256U + random[2 * i + 1]) % end);
    }
    return {blocks.begin(), blocks.end()};
}

} // namespace

TEST_CASE("a file is rebuilt as the rules say, whatever grew, shrank or changed, and so is its sum")
{
    for (const std::size_t before : {0UL, 1UL, 4UL, 9UL, 40UL, 41UL}) {
        for (const std::uint32_t truncation : {0U, 1U, 4U, 8U, 9U, 17U, 40U, 41U, 55U}) {
            for (const std::size_t changed : {0UL, 1UL, 3UL, 20UL}) {
                Case one;
                // Half a page at the end is none.
                one.earlier = seeded_bytes(before + 1, before * page_size + (before == 9 ? 99 : 0));
                one.head = {truncation, some_blocks(truncation * 7 + before, 50, changed)};
                CAPTURE(before);
                CAPTURE(truncation);
                CAPTURE(changed);
                const Bytes wanted = expected(one.earlier, one.head);
                RebuiltFile whole = one.file();
                CHECK(whole.size() == wanted.size());
                CHECK(read_all(whole, 700) == wanted);
                CHECK(whole.finish() == sum_of(wanted));
                CHECK(one.pages == one.head.blocks);

                one.pages.clear();
                RebuiltFile parts = one.file();
                CHECK(read_changed(parts, one.earlier) == wanted);
                CHECK(parts.finish() == sum_of(wanted));
                CHECK(one.pages == one.head.blocks);
            }
        }
    }
}

TEST_CASE("of a file that did not change nothing is read")
{
    Case one;
    one.earlier = seeded_bytes(1, 41 * page_size);
    one.head = {41, {}};
    RebuiltFile file = one.file();
    const auto kept = file.next_kept(0);
    REQUIRE(kept);
    CHECK(kept->begin == 0);
    CHECK(kept->end == one.earlier.size());
    CHECK(file.finish() == sum_of(one.earlier));
    CHECK(one.earlier_read == 0);
}

TEST_CASE("of a file in which a block changed, the block's piece is read")
{
    Case one;
    one.earlier = seeded_bytes(1, 400 * page_size);
    one.head = {400, {201}};
    RebuiltFile file = one.file();
    CHECK(read_changed(file, one.earlier) == expected(one.earlier, one.head));
    CHECK(file.finish() == sum_of(expected(one.earlier, one.head)));
    CHECK(one.earlier_read == piece);
}

TEST_CASE("blocks that were sent cannot be passed over")
{
    Case one;
    one.earlier = seeded_bytes(1, 40 * page_size);
    one.head = {40, {13}};
    CHECK_THROWS_AS(one.file().finish(), Error);
    RebuiltFile file = one.file();
    Bytes buffer(10);
    CHECK_THROWS_AS(file.read(30 * page_size, buffer), Error);
}

TEST_CASE("an earlier file that cannot be read is an error, not zeros")
{
    FakeView view;
    view.add_file("file", as_text(seeded_bytes(1, 40 * page_size)));
    view.damage_stream("file", 5 * page_size);
    RebuiltFile file({40, {4}}, page_size, piece, {view.open_stream(*view.lookup("file")), 0},
                     [](std::uint32_t, MutableByteSpan) {}, {});
    Bytes buffer(40 * page_size);
    CHECK_THROWS_AS(file.read(0, buffer), Error);
}
