#include "postgres/page_check.hpp"

#include <cstring>
#include <doctest/doctest.h>

using namespace backstay::core;

namespace
{

constexpr LogPosition page_position = 0x1'00000100;

/// A page as a server leaves it: filled, with its log position and checksum.
Bytes page_of(std::uint32_t block, LogPosition position = page_position)
{
    Bytes page(usual_page_size);
    for (std::size_t i = 24; i < page.size(); ++i) {
        page[i] = static_cast<std::uint8_t>(i * 31 + block);
    }
    const auto put = [&page](std::size_t at, auto number) {
        std::memcpy(page.data() + at, &number, sizeof number);
    };
    put(0, static_cast<std::uint32_t>(position >> 32));
    put(4, static_cast<std::uint32_t>(position));
    put(14, std::uint16_t{8000});
    put(8, page_checksum(page, block));
    return page;
}

PageCheck::Settings settings_with_start(LogPosition start)
{
    return {usual_page_size, 131072, start};
}

} // namespace

TEST_CASE("a page's checksum covers every byte but its own, and the page's place")
{
    const Bytes page = page_of(5);
    const std::uint16_t sum = page_checksum(page, 5);
    CHECK(sum != 0);
    CHECK(page_checksum(page, 6) != sum);
    for (const std::size_t at : {0UL, 7UL, 10UL, 24UL, 100UL, 4096UL, 8191UL}) {
        CAPTURE(at);
        Bytes other = page;
        other[at] ^= 1;
        CHECK(page_checksum(other, 5) != sum);
    }
    for (const std::size_t at : {8UL, 9UL}) {
        Bytes other = page;
        other[at] ^= 1;
        CHECK(page_checksum(other, 5) == sum);
    }
}

TEST_CASE("flipped bits are found with the block of the relation, however the bytes are cut")
{
    constexpr std::uint32_t segment = 2;
    constexpr std::uint32_t first = segment * 131072;
    Bytes file;
    for (std::uint32_t block = 0; block < 4; ++block) {
        append(file, page_of(first + block));
    }
    file[1 * usual_page_size + 5000] ^= 0x40;
    file[3 * usual_page_size + 30] ^= 0x01;
    for (const std::size_t piece : {100UL, 8192UL, 8193UL, 20000UL, 1UL << 20}) {
        CAPTURE(piece);
        PageCheck check(settings_with_start(page_position + 1), segment);
        for (std::size_t at = 0; at < file.size(); at += piece) {
            check.update(ByteSpan(file).subspan(at, std::min(piece, file.size() - at)));
        }
        REQUIRE(check.count() == 2);
        CHECK(check.bad()[0].block == first + 1);
        CHECK(check.bad()[1].block == first + 3);
        CHECK(check.bad()[0].stored != check.bad()[0].computed);
    }
}

TEST_CASE("pages that recovery writes anew, new pages and a cut last page are not judged")
{
    const auto count = [](Bytes page, LogPosition start) {
        PageCheck check(settings_with_start(start), 0);
        check.update(page);
        return check.count();
    };
    Bytes bad = page_of(0);
    bad[6000] ^= 1;
    CHECK(count(bad, page_position + 1) == 1);
    CHECK(count(bad, page_position) == 0);
    CHECK(count(Bytes(usual_page_size), page_position + 1) == 0);
    bad.resize(8000);
    CHECK(count(bad, page_position + 1) == 0);
}

TEST_CASE("a shift in the middle of a file makes the pages behind it bad")
{
    Bytes file;
    for (std::uint32_t block = 0; block < 8; ++block) {
        append(file, page_of(block));
    }
    file.erase(file.begin() + 3 * usual_page_size, file.begin() + 3 * usual_page_size + 512);
    PageCheck check(settings_with_start(UINT64_MAX), 0);
    check.update(file);
    CHECK(check.count() == 4);
    CHECK(check.bad()[0].block == 3);
}

TEST_CASE("pages out of a file's middle are checked by the blocks they are")
{
    constexpr std::uint32_t first = 131072;
    PageCheck check(settings_with_start(UINT64_MAX), 1);
    for (const std::uint32_t block : {3U, 4U, 900U}) {
        check.seek(block);
        check.update(page_of(first + block));
    }
    CHECK(check.count() == 0);
    check.seek(7);
    check.update(page_of(first + 8));
    REQUIRE(check.count() == 1);
    CHECK(check.bad()[0].block == first + 7);
}

TEST_CASE("a page that was changed can be given its checksum again, and a new page has none")
{
    Bytes page = page_of(5);
    CHECK(page_fits(page, 5));
    CHECK_FALSE(page_fits(page, 6));
    page[100] ^= 1;
    CHECK_FALSE(page_fits(page, 5));
    seal_page(page, 5);
    CHECK(page_fits(page, 5));
    Bytes fresh(usual_page_size, 0);
    seal_page(fresh, 5);
    CHECK(fresh == Bytes(usual_page_size, 0));
    CHECK(page_fits(fresh, 5));
}
