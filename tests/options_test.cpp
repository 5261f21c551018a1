#include "engine/options.hpp"

#include "base/error.hpp"
#include "engine/option_table.hpp"

#include <doctest/doctest.h>
#include <functional>
#include <set>

using namespace backstay::core;

namespace
{

std::string refusal(const std::function<void()>& body)
{
    try {
        body();
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::invalid);
        return error.what();
    }
    FAIL_CHECK("it was taken");
    return {};
}

bool takes(const char* scope, const char* key, std::string_view value)
{
    OptionSet options(scope);
    try {
        options.set_text(key, value);
        return true;
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::invalid);
        CHECK(error.subject() == key);
        return false;
    }
}

} // namespace

TEST_CASE("every option of the table can be told apart, explained, and left at its default")
{
    std::set<std::string> names;
    for (const OptionScope& scope : option_table()) {
        CAPTURE(scope.name);
        CHECK(names.insert(scope.name).second);
        CHECK(*scope.help != '\0');
        std::set<std::string> keys;
        OptionSet options(scope.name);
        for (const OptionSpec& spec : scope.specs) {
            CAPTURE(spec.key);
            CHECK(keys.insert(spec.key).second);
            CHECK(std::string_view(spec.key).find_first_not_of(
                      "abcdefghijklmnopqrstuvwxyz0123456789-") == std::string_view::npos);
            const std::string_view help = spec.help;
            CHECK_FALSE(help.empty());
            CHECK(help.find('\n') == std::string_view::npos);
            CHECK_FALSE(help.ends_with('.'));
            CHECK((spec.kind == OptionKind::choice) == (*spec.choices != '\0'));
            CHECK(spec.least <= spec.most);
            CHECK_FALSE(options.has(spec.key));
            if (*spec.standard != '\0') {
                CHECK_NOTHROW(options.set_text(spec.key, spec.standard));
            }
        }
    }
    CHECK(option_scopes().size() == names.size());
}

TEST_CASE("an unknown scope or key is refused with the nearest")
{
    CHECK(refusal([] { OptionSet("bakup"); }).find("'backup'") != std::string::npos);
    OptionSet options("forget");
    CHECK(refusal([&] { options.set_text("keep-dayly", "1"); }).find("'keep-daily'") !=
          std::string::npos);
    CHECK(refusal([&] { options.number("nothing-like-it"); }).find("did you mean") ==
          std::string::npos);
}

TEST_CASE("values are taken in every spelling of their kind and in no other")
{
    CHECK(takes("forget", "keep-last", "7"));
    CHECK(takes("forget", "keep-last", "unlimited"));
    CHECK(takes("forget", "keep-last", "-1"));
    for (const char* bad : {"", "-2", "7x", "1.5", " 7", "0x7", "99999999999999999999"}) {
        CAPTURE(bad);
        CHECK_FALSE(takes("forget", "keep-last", bad));
    }
    CHECK(takes("forget", "keep-within", "14d"));
    CHECK_FALSE(takes("forget", "keep-within", "soon"));
    CHECK_FALSE(takes("forget", "keep-within", ""));
    CHECK(takes("engine", "memory", "64MiB"));
    CHECK_FALSE(takes("engine", "memory", "31MiB"));
    CHECK_FALSE(takes("engine", "memory", "-64MiB"));
    CHECK_FALSE(takes("engine", "threads", "257"));
    CHECK_FALSE(takes("engine", "threads", "unlimited"));
    CHECK(takes("check", "read-data", "2.5%"));
    for (const char* bad : {"101%", "-1%", "nan", "inf", "%", "1%%", "1e400"}) {
        CAPTURE(bad);
        CHECK_FALSE(takes("check", "read-data", bad));
    }
    CHECK(takes("backup", "dry-run", "yes"));
    CHECK_FALSE(takes("backup", "dry-run", "maybe"));
    CHECK_FALSE(takes("backup", "time", "yesterday"));
    CHECK(takes("target.directory", "overwrite", "if-newer"));
    CHECK_FALSE(takes("target.directory", "overwrite", "if-new"));
    CHECK_FALSE(takes("backup", "host", "\xff"));
    CHECK_FALSE(takes("backup", "host", std::string_view("a\0b", 3)));
    CHECK(takes("source.tree", "path", "\xff"));
    CHECK_FALSE(takes("source.tree", "path", ""));
    CHECK_FALSE(takes("source.tree", "path", std::string_view("a\0b", 3)));
}

TEST_CASE("a refused value leaves what was set before")
{
    OptionSet options("forget");
    options.set_number("keep-last", 3);
    refusal([&] { options.set_text("keep-last", "x"); });
    refusal([&] { options.add_text("keep-last", "4"); });
    CHECK(options.number("keep-last") == 3);
    options.set_number("keep-last", 5);
    CHECK(options.number("keep-last") == 5);
}

TEST_CASE("repeatable options gather and are replaced as a whole")
{
    OptionSet options("backup");
    CHECK(options.texts("tag").empty());
    options.add_text("tag", "a");
    options.add_text("tag", "b");
    CHECK(options.texts("tag") == std::vector<std::string>{"a", "b"});
    options.set_text("tag", "c");
    CHECK(options.texts("tag") == std::vector<std::string>{"c"});
}

TEST_CASE("what is not set has its default, else nothing")
{
    OptionSet options("forget");
    CHECK(options.number("keep-daily") == 0);
    CHECK_FALSE(options.duration("keep-within"));
    CHECK(options.text("group-by") == "host,path");
    CHECK(options.texts("group-by") == std::vector<std::string>{"host,path"});
    CHECK_FALSE(options.flag("prune"));
    CHECK(options.duration("fence-after"));
    CHECK_FALSE(options.has("group-by"));
}

TEST_CASE("numbers set durations in seconds, and flags are set as flags alone")
{
    OptionSet options("forget");
    options.set_number("keep-within", 90);
    REQUIRE(options.duration("keep-within"));
    CHECK(options.duration("keep-within") == parse_duration("90s"));
    refusal([&] { options.set_number("keep-within", -1); });
    options.set_flag("prune", true);
    CHECK(options.flag("prune"));
    refusal([&] { options.set_flag("keep-last", true); });
}

TEST_CASE("a secret is set as one and is never text")
{
    OptionSet options("repository");
    CHECK(options.secret("passphrase") == nullptr);
    const std::string message = refusal([&] { options.set_text("passphrase", "hunter2"); });
    CHECK(message.find("hunter2") == std::string::npos);
    refusal([&] { options.set_secret("key-file", as_bytes(std::string_view("x"))); });
    options.set_secret("passphrase", as_bytes(std::string_view("hunter2")));
    REQUIRE(options.secret("passphrase") != nullptr);
    CHECK(options.has("passphrase"));
    CHECK(options.text("passphrase").empty());
}

TEST_CASE("scopes and options describe themselves")
{
    CHECK(describe_options("").fields().size() == option_scopes().size());
    const Record forget = describe_options("forget");
    CHECK(forget.fields().size() == option_specs("forget").size());
    CHECK(forget.json().find(R"("key":"keep-daily","kind":"number","repeatable":false)") !=
          std::string::npos);
    CHECK(describe_options("target.directory").json().find(R"("choices":["always",)") !=
          std::string::npos);
}
