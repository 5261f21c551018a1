#include "base/aligned_buffer.hpp"

#include "support/seeded_bytes.hpp"

#include <doctest/doctest.h>

using namespace backstay::core;

TEST_CASE("a buffer is aligned and padded for direct I/O")
{
    for (const std::size_t wanted : {1, 4095, 4096, 4097, 1'000'000}) {
        CAPTURE(wanted);
        AlignedBuffer buffer(wanted);
        CHECK(reinterpret_cast<std::uintptr_t>(buffer.data()) % direct_io_alignment == 0);
        CHECK(buffer.capacity() % direct_io_alignment == 0);
        CHECK(buffer.capacity() >= wanted);
        CHECK(buffer.capacity() < wanted + direct_io_alignment);
        CHECK(buffer.size() == 0);
        // The padding may be read, so that a last block can be written whole.
        CHECK(buffer.data()[buffer.capacity() - 1] == 0);
    }
    CHECK(AlignedBuffer(0).capacity() == 0);
    CHECK(AlignedBuffer().span().empty());
}

TEST_CASE("appended bytes follow each other until there is no room")
{
    AlignedBuffer buffer(8192);
    const Bytes bytes = seeded_bytes(1, 8192);
    buffer.append(ByteSpan(bytes).first(5000));
    buffer.append({});
    CHECK(buffer.room() == 3192);
    buffer.append(ByteSpan(bytes).subspan(5000));
    CHECK(buffer.room() == 0);
    CHECK(equal(buffer.span(), bytes));
    buffer.clear();
    CHECK(buffer.size() == 0);
    CHECK(buffer.room() == 8192);
}

TEST_CASE("a buffer whose pages were given back is empty and still serves")
{
    AlignedBuffer buffer(100'000);
    const Bytes bytes = seeded_bytes(1, 100'000);
    buffer.append(bytes);
    buffer.release_pages();
    CHECK(buffer.size() == 0);
    CHECK(buffer.data()[0] == 0);
    buffer.append(bytes);
    CHECK(equal(buffer.span(), bytes));
    AlignedBuffer none;
    none.release_pages();
    CHECK(none.size() == 0);
}

TEST_CASE("a moved buffer keeps its bytes")
{
    AlignedBuffer first(4096);
    first.append(as_bytes("text"));
    AlignedBuffer second(4096);
    second = std::move(first);
    CHECK(as_text(second.span()) == "text");
    CHECK(second.room() == 4092);
}
