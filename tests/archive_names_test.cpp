#include "target/archive_names.hpp"

#include "base/bytes.hpp"

#include <doctest/doctest.h>
#include <random>
#include <set>

using namespace backstay::core;

TEST_CASE("names that are not UTF-8 become distinct names that are, and lead back")
{
    std::mt19937 random(42);
    std::set<std::string> paths;
    const std::string_view parts[] = {"a", "\xe9", "%E9", "~2", "\xff", "\xc3\xa9", "\xc3", "%"};
    while (paths.size() < 2000) {
        std::string path;
        const unsigned names = 1 + random() % 3;
        for (unsigned name = 0; name < names; ++name) {
            path += path.empty() ? "" : "/";
            const unsigned pieces = 1 + random() % 4;
            for (unsigned piece = 0; piece < pieces; ++piece) {
                path += parts[random() % std::size(parts)];
            }
        }
        for (std::size_t end = path.find('/'); end != std::string::npos;
             end = path.find('/', end + 1)) {
            paths.insert(path.substr(0, end));
        }
        paths.insert(path);
    }
    ArchiveNames names([&](const std::string& path) { return paths.count(path) != 0; });
    std::set<std::string> seen;
    for (const std::string& path : paths) {
        CAPTURE(path);
        const std::string name = names.name_for(path);
        CHECK(is_utf8(name));
        CHECK(names.name_for(path) == name);
        CHECK(seen.insert(name).second);
        CHECK(names.path_of(name) == path);
        const std::size_t slash = path.rfind('/');
        if (slash != std::string::npos) {
            const std::string folder = names.name_for(path.substr(0, slash));
            CHECK(name.substr(0, folder.size() + 1) == folder + "/");
        }
    }
}

TEST_CASE("a path of very many names needs no deep stack")
{
    std::string path = "\xff";
    for (int depth = 0; depth < 200'000; ++depth) {
        path += "/d";
    }
    ArchiveNames names([](const std::string&) { return false; });
    CHECK(names.name_for("a") == "a");
    const std::string name = names.name_for(path);
    CHECK(name.substr(0, 5) == "%FF/d");
}
