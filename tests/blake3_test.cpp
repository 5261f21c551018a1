#include "codec/blake3.hpp"

#include <doctest/doctest.h>
#include <string_view>

using namespace backstay::core;

namespace
{

constexpr std::string_view key = "whats the Elvish word for friend";
/// As in the vectors that the authors publish.
Bytes counting_bytes(std::size_t size)
{
    Bytes bytes(size);
    for (std::size_t i = 0; i < size; ++i) {
        bytes[i] = static_cast<std::uint8_t>(i % 251);
    }
    return bytes;
}

} // namespace

TEST_CASE("keyed BLAKE3 gives what its authors publish")
{
    struct Vector {
        std::size_t size;
        std::string_view digest;
    };
    constexpr Vector vectors[] = {
        {0, "92b2b75604ed3c761f9d6f62392c8a9227ad0ea3f09573e783f1498a4ed60d26"},
        {1, "6d7878dfff2f485635d39013278ae14f1454b8c0a3a2d34bc1ab38228a80c95b"},
        {63, "bb1eb5d4afa793c1ebdd9fb08def6c36d10096986ae0cfe148cd101170ce37ae"},
        {64, "ba8ced36f327700d213f120b1a207a3b8c04330528586f414d09f2f7d9ccb7e6"},
        {65, "c0a4edefa2d2accb9277c371ac12fcdbb52988a86edc54f0716e1591b4326e72"},
        {127, "c64200ae7dfaf35577ac5a9521c47863fb71514a3bcad18819218b818de85818"},
        {1023, "c951ecdf03288d0fcc96ee3413563d8a6d3589547f2c2fb36d9786470f1b9d6e"},
        {1024, "75c46f6f3d9eb4f55ecaaee480db732e6c2105546f1e675003687c31719c7ba4"},
        {1025, "357dc55de0c7e382c900fd6e320acc04146be01db6a8ce7210b7189bd664ea69"},
        {2048, "879cf1fa2ea0e79126cb1063617a05b6ad9d0b696d0d757cf053439f60a99dd1"},
        {2049, "9f29700902f7c86e514ddc4df1e3049f258b2472b6dd5267f61bf13983b78dd5"},
        {3072, "044a0e7b172a312dc02a4c9a818c036ffa2776368d7f528268d2e6b5df191770"},
        {5121, "6ccf1c34753e7a044db80798ecd0782a8f76f33563accaddbfbb2e0ea4b2d024"},
        {8192, "dc9637c8845a770b4cbf76b8daec0eebf7dc2eac11498517f08d44c8fc00d58a"},
        {8193, "954a2a75420c8d6547e3ba5b98d963e6fa6491addc8c023189cc519821b4a1f5"},
        {16384, "9e9fc4eb7cf081ea7c47d1807790ed211bfec56aa25bb7037784c13c4b707b0d"},
        {17409, "c7b5166cb456cb8a082b876006205ad15ab5f966ac2aab1f97a5a3840b90c767"},
        {31744, "efa53b389ab67c593dba624d898d0f7353ab99e4ac9d42302ee64cbf9939a419"},
        {65537, "8f9e30b67fc0c4c1d0d5fb87e183d48248d97712223b73a8e1721a77c88c6e1d"},
        {102400, "1c35d1a5811083fd7119f5d5d1ba027b4d01c0c6c49fb6ff2cf75393ea5db4a7"},
        {131072, "def66234dd1a614a994a3dbe7bbc8edf9bbc3fae90222334c8a77320f94d3fe8"},
        {131073, "a904833ff34d5679c332d6c30378bf7b4b4321f8fea0fa3ef87551ba2240f512"},
        {1048577, "a0c8e093827da3e07e22fa684eb60fc1600cf44c5036c80fb0b587d0f39ef421"},
    };
    const KeyedBlake3 hash(as_bytes(key));
    for (const Vector& vector : vectors) {
        CAPTURE(vector.size);
        CHECK(to_hex(hash.of(counting_bytes(vector.size))) == vector.digest);
    }
}
