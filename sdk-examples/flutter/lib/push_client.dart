import 'dart:async';
import 'dart:math';

import 'package:socket_io_client/socket_io_client.dart' as io;

import 'seen.dart';

/// One thing that arrived: a message, or a line about the connection.
sealed class PushEvent {}

class Ready extends PushEvent {
  Ready(this.clientId);
  final String clientId;
}

class Message extends PushEvent {
  Message(this.id, this.room, this.pushData, {required this.late});
  final int id;
  final String room;
  final dynamic pushData;
  final bool late; // out of the inbox
}

class Lost extends PushEvent {
  Lost(this.count);
  final int count;
}

class Membership extends PushEvent {
  Membership(this.room, {required this.joined});
  final String room;
  final bool joined;
}

class People extends PushEvent {
  People(this.userid, this.room, {required this.here});
  final String userid;
  final String room;
  final bool here;
}

class Down extends PushEvent {
  Down(this.reason, {required this.last});
  final String reason;
  final bool last; // nothing will be tried any more
}

/// One device at lightpush: connects, joins its rooms, drops repeats, confirms, comes back. [token] is asked before every
/// connect and returns null when the namespace needs none.
class PushClient {
  PushClient({
    required String url,
    required String namespace,
    required String userid,
    required String uuid,
    required String platform,
    required this.rooms,
    required this.seen,
    this.token,
  }) {
    _socket = io.io(
      '$url$namespace',
      io.OptionBuilder()
          .setTransports(['websocket'])
          .setQuery({'uuid': uuid, 'userid': userid, 'platform': platform})
          .setAuthFn((submit) => _authenticate(submit))
          .setReconnectionDelayMax(30000)
          .enableForceNew()
          .disableAutoConnect()
          .build(),
    );
    _handle();
  }

  static final _temporary =
      RegExp(r'^(handshake fail|service unavailable|namespaces are not loaded yet|token keys unavailable|too many connections .*)$');
  static final _needsToken = RegExp(r'^(token |handshake fail statusCode: 40)');

  final List<String> rooms;
  final Seen seen;
  final Future<String?> Function()? token;
  final _events = StreamController<PushEvent>.broadcast();
  late final io.Socket _socket;
  Future<void> _order = Future.value(); // messages are handled one after the other
  Timer? _retry;
  int _pause = 1;
  String _closing = ''; // why the server ends the connection, when it says so

  Stream<PushEvent> get events => _events.stream;

  void start() => _socket.connect();

  Future<void> stop() async {
    _retry?.cancel();
    _socket.dispose();
    await _events.close();
  }

  /// Sends a message to everybody in [room]; completes with its id, or with the server's refusal as an error.
  Future<int> push(String room, Map<String, dynamic> data) {
    final done = Completer<int>();
    _socket.emitWithAck('push', {'room': room, 'pushData': data}, ack: (dynamic answer) {
      if (answer['status'] == 200) {
        done.complete(answer['id'] as int);
      } else {
        done.completeError(StateError('${answer['msg']}'));
      }
    });
    return done.future.timeout(const Duration(seconds: 10));
  }

  void _authenticate(void Function(Map<String, dynamic>) submit) {
    final ask = token;
    if (ask == null) return submit({});
    ask().then((t) => submit(t == null ? {} : {'token': t}), onError: (_) => submit({}));
  }

  void _handle() {
    _socket.onConnect((_) => _connected());
    _socket.onConnectError(_failed);
    _socket.onDisconnect(_disconnected);
    _socket.on('tokenExpiring', (_) => _authenticate(_refresh));
    _socket.on('closing', (why) => _closing = '${why['reason']}');
    _socket.on('ok', (me) => _add(Ready('${me['clientId']}')));
    _socket.on('push', (args) => _confirmed(args, (m) => _message(m, late: false)));
    _socket.on('offlineMessage', (args) => _confirmed(args, (list) async {
          for (final m in list as List) {
            await _message(m, late: true);
          }
        }));
    _socket.on('inboxDropped', (args) => _confirmed(args, (lost) async => _add(Lost(lost['dropped'] as int))));
    _socket.on('joinRoom', (m) => _add(Membership('${m['targetRoom']}', joined: true)));
    _socket.on('leaveRoom', (m) => _add(Membership('${m['targetRoom']}', joined: false)));
    _socket.on('peopleJoin', (who) => _add(People('${who['userid']}', '${who['room']}', here: true)));
    _socket.on('peopleLeave', (who) => _add(People('${who['userid']}', '${who['room']}', here: false)));
  }

  // This client continues no sessions: rooms are joined at every connect. The list stands in a list, because this library
  // takes the elements of a list for arguments.
  void _connected() {
    _pause = 1;
    _closing = '';
    if (rooms.isEmpty) return;
    _socket.emitWithAck('joinRoom', [rooms], ack: (dynamic answer) {
      if (answer['status'] != 200) _add(Down('not joined: ${answer['msg']}', last: false));
    });
  }

  /// An event that asks for an ack arrives as a list of its argument and a function. The ack follows when the argument was
  /// handled: what could not be must come again.
  void _confirmed(dynamic args, Future<void> Function(dynamic) handle) {
    final list = args as List;
    final ack = list.last as Function;
    _order = _order.then((_) => handle(list.first)).then((_) {
      ack(null);
    }, onError: (Object error) => _add(Down('not confirmed: $error', last: false)));
  }

  Future<void> _message(dynamic m, {required bool late}) async {
    final id = int.parse('${m['id']}'); // a number in push, a text in offlineMessage
    if (seen.contains(id)) return;
    _add(Message(id, '${m['room']}', m['pushData'], late: late));
    await seen.add(id);
  }

  void _failed(dynamic error) {
    final text = error is Map ? '${error['message']}' : '$error';
    if (_socket.active) return _add(Down(text, last: false)); // the network: the client tries again by itself
    final again = _temporary.hasMatch(text) || (token != null && _needsToken.hasMatch(text));
    _add(Down(text, last: !again));
    if (again) _connectLater();
  }

  // A newer connection of this device has taken over, or the namespace is offline: coming back would be a tug-of-war. An
  // expired token is replaced.
  void _disconnected(dynamic reason) {
    final byServer = reason == 'io server disconnect';
    final expired = byServer && _closing == 'token expired' && token != null;
    _add(Down(_closing.isEmpty ? '$reason' : _closing, last: byServer && !expired));
    if (expired) _connectLater();
  }

  /// In namespaces whose tokens expire: a new one in time keeps the connection.
  void _refresh(Map<String, dynamic> fresh) {
    _socket.emitWithAck('refresh', fresh, ack: (dynamic answer) {
      if (answer['status'] != 200) _add(Down('not refreshed: ${answer['msg']}', last: false));
    });
  }

  void _connectLater() {
    _retry = Timer(Duration(milliseconds: _pause * (1000 + Random().nextInt(500))), _socket.connect);
    _pause = min(_pause * 2, 60);
  }

  void _add(PushEvent event) {
    if (!_events.isClosed) _events.add(event);
  }
}
