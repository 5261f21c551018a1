#include "command.hpp"

namespace command
{

const std::vector<Command>& commands()
{
    static const std::vector<Command> all{
        init_command(),      backup_command(),      snapshots_command(),   ls_command(),
        find_command(),      diff_command(),        cat_command(),         show_command(),
        stats_command(),     restore_command(),     export_command(),      import_command(),
        check_command(),     verify_command(),      scrub_command(),       forget_command(),
        prune_command(),     tag_command(),         pin_command(),         unpin_command(),
        list_command(),      cache_command(),       show_object_command(), unlock_command(),
        self_test_command(), wal_receive_command(), wal_push_command(),    wal_fetch_command(),
        version_command(),   generate_command()};
    return all;
}

} // namespace command
