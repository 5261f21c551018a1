#pragma once

#include <string>
#include <vector>

namespace command
{

class Invocation;

/// An argument by its place.
struct Positional {
    const char* name; ///< "SNAPSHOT[:PATH]"
    const char* help;
    enum class Count { one, optional, any, many } count = Count::one;
};

/// An option of the command itself; everything else comes from the library's option table.
struct OwnOption {
    const char* key;         ///< "to"
    const char* placeholder; ///< "DIR"; empty: a flag; "a|b": one of these
    const char* help;
    char letter = '\0';
    bool optional_value = false;
};

/// What a subcommand is: parsed, documented and completed from this.
struct Command {
    const char* name;
    const char* summary;
    const char* example;
    std::vector<Positional> positionals;
    std::vector<const char*> scopes; ///< of the library's options that it takes
    /// Keys that it gives another way: of all scopes, or SCOPE/KEY of one.
    std::vector<const char*> left_out;
    std::vector<OwnOption> own;
    int (*run)(Invocation& invocation);
    bool takes_rest = false; ///< what follows "--" is a command and its arguments
    bool hidden = false;
};

/// All of them, in the order of the manual.
const std::vector<Command>& commands();

/// One a file.
Command backup_command();
Command cache_command();
Command cat_command();
Command check_command();
Command diff_command();
Command export_command();
Command find_command();
Command forget_command();
Command generate_command();
Command import_command();
Command init_command();
Command list_command();
Command ls_command();
Command pin_command();
Command prune_command();
Command restore_command();
Command scrub_command();
Command show_command();
Command show_object_command();
Command snapshots_command();
Command stats_command();
Command tag_command();
Command unlock_command();
Command self_test_command();
Command unpin_command();
Command verify_command();
Command version_command();
Command wal_fetch_command();
Command wal_push_command();
Command wal_receive_command();

} // namespace command
