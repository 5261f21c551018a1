#include "option_table.hpp"

#include <algorithm>
#include <backstay/options.hpp>
#include <functional>
#include <sstream>

namespace command
{

namespace
{

bool contains(const std::vector<const char*>& keys, const std::string& key)
{
    return std::any_of(keys.begin(), keys.end(),
                       [&key](const char* other) { return key == other; });
}

void add_scope(std::vector<OptionRow>& rows, const std::string& scope,
               const std::function<bool(const std::string& key)>& left_out)
{
    const backstay::Record list = backstay::Options::describe(scope);
    for (const backstay::Record& option : list.records()) {
        OptionRow row;
        row.key = option.text("key");
        row.scope = scope;
        row.kind = option.text("kind");
        const bool known = std::any_of(rows.begin(), rows.end(), [&row](const OptionRow& other) {
            return other.key == row.key;
        });
        if (known || row.kind == "secret" || left_out(row.key)) {
            continue;
        }
        row.placeholder = option.text("placeholder");
        row.standard = option.text("default");
        row.help = option.text("help");
        row.repeatable = option.flag("repeatable");
        if (option.has("choices")) {
            row.choices = option.nested("choices").texts();
        }
        rows.push_back(std::move(row));
    }
}

OptionRow own_row(const OwnOption& own)
{
    OptionRow row;
    row.key = own.key;
    row.kind = *own.placeholder == '\0' ? "flag" : "text";
    row.placeholder = own.placeholder;
    row.help = own.help;
    if (row.placeholder.find('|') != std::string::npos) {
        std::istringstream words(row.placeholder);
        for (std::string word; std::getline(words, word, '|');) {
            row.choices.push_back(word);
        }
    }
    row.letter = own.letter;
    row.optional_value = own.optional_value;
    return row;
}

} // namespace

std::vector<OptionRow> options_of(const Command& command)
{
    std::vector<OptionRow> rows;
    for (const OwnOption& own : command.own) {
        rows.push_back(own_row(own));
    }
    for (const char* scope : command.scopes) {
        add_scope(rows, scope,
                  [&](const std::string& key) { return leaves_out(command, scope, key); });
    }
    return rows;
}

std::vector<OptionRow> all_options_of(const Command& command)
{
    std::vector<OptionRow> rows = options_of(command);
    for (const OptionRow& row : global_options()) {
        const bool known = std::any_of(rows.begin(), rows.end(), [&row](const OptionRow& other) {
            return other.key == row.key;
        });
        if (!known) {
            rows.push_back(row);
        }
    }
    return rows;
}

bool leaves_out(const Command& command, const std::string& scope, const std::string& key)
{
    return contains(command.left_out, key) || contains(command.left_out, scope + '/' + key);
}

const std::vector<OptionRow>& global_options()
{
    static const std::vector<OptionRow> rows = [] {
        std::vector<OptionRow> all;
        const std::vector<OwnOption> own{
            {"repository", "REPO",
             "The repository: a path, file:///path, s3://BUCKET/PREFIX or "
             "s3+https://HOST/BUCKET/PREFIX (else BACKSTAY_REPOSITORY)",
             'r'},
            {"profile", "NAME",
             "Take the repository, where its passphrase is and defaults from a profile in "
             "~/.config/backstay/config.toml or /etc/backstay/config.toml"},
            {"json", "", "One JSON object a line, the summary last"},
            {"quiet", "", "Nothing but results and problems", 'q'},
            {"verbose", "", "Tell more", 'v'},
            {"color", "auto|always|never", "Colours on a terminal (NO_COLOR is obeyed)"},
        };
        all.reserve(own.size());
        for (const OwnOption& option : own) {
            all.push_back(own_row(option));
        }
        add_scope(all, "repository", [](const std::string& key) {
            return key == "look-ahead"; // see Invocation::repository()
        });
        add_scope(all, "engine", [](const std::string&) { return false; });
        // A key by option needs its secret, which is never an argument.
        add_scope(all, "store",
                  [](const std::string& key) { return key == "create" || key == "s3-access-key"; });
        return all;
    }();
    return rows;
}

std::string spelled(const OptionRow& row)
{
    std::string text = row.letter != '\0' ? std::string("-") + row.letter + ", " : std::string();
    text += "--" + row.key;
    if (!row.is_flag()) {
        text += row.optional_value ? "[=" + row.placeholder + "]" : " " + row.placeholder;
    }
    return text;
}

} // namespace command
