import 'package:shared_preferences/shared_preferences.dart';

/// Remembers which messages were handled, also over restarts: they come at least once, and the id tells a repeat.
class Seen {
  Seen(this._store) : _ids = (_store.getStringList(_key) ?? []).map(int.parse).toSet();

  static const _key = 'seen';
  static const _keep = 1000; // ids grow: the newest are those that can come again

  final SharedPreferences _store;
  Set<int> _ids;

  bool contains(int id) => _ids.contains(id);

  /// Completes when the id is on disk, so that an ack may follow.
  Future<void> add(int id) async {
    final sorted = {..._ids, id}.toList()..sort();
    _ids = sorted.skip(sorted.length > _keep ? sorted.length - _keep : 0).toSet();
    if (!await _store.setStringList(_key, _ids.map((i) => '$i').toList())) {
      throw StateError('message $id could not be remembered');
    }
  }
}
