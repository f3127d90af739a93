import 'dart:io';
import 'dart:math';

import 'package:flutter/material.dart';
import 'package:shared_preferences/shared_preferences.dart';

import 'push_client.dart';
import 'seen.dart';

Future<void> main() async {
  WidgetsFlutterBinding.ensureInitialized();
  final store = await SharedPreferences.getInstance();
  // One per installation, made once.
  final uuid = store.getString('uuid') ?? List.generate(4, (_) => Random.secure().nextInt(1 << 32).toRadixString(16)).join('-');
  await store.setString('uuid', uuid);
  final push = PushClient(
    url: Platform.isAndroid ? 'http://10.0.2.2:21314' : 'http://127.0.0.1:21314', // the machine that runs the emulator
    namespace: '/demo',
    userid: 'flo',
    uuid: uuid,
    platform: Platform.isIOS ? 'ios' : 'android',
    rooms: ['news'],
    seen: Seen(store),
  );
  runApp(MessagesApp(push));
  push.start();
}

class MessagesApp extends StatefulWidget {
  const MessagesApp(this.push, {super.key});

  final PushClient push;

  @override
  State<MessagesApp> createState() => _MessagesAppState();
}

class _MessagesAppState extends State<MessagesApp> {
  final List<String> _lines = [];
  String _state = 'connecting …';

  @override
  void initState() {
    super.initState();
    widget.push.events.listen(_show);
  }

  void _show(PushEvent event) {
    setState(() {
      switch (event) {
        case Ready(:final clientId):
          _state = clientId;
        case Down(:final reason, :final last):
          _state = last ? 'refused: $reason' : reason;
        case Message(:final id, :final room, :final pushData, :final late):
          _lines.insert(0, '#$id $room${late ? ' (inbox)' : ''}: $pushData');
        case Lost(:final count): // an app would now ask its business server for the history
          _lines.insert(0, 'lost $count of a full inbox');
        case Membership(:final room, :final joined):
          _lines.insert(0, joined ? 'put into $room' : 'taken out of $room');
        case People(:final userid, :final room, :final here):
          _lines.insert(0, here ? '$userid came to $room' : '$userid left $room');
      }
      if (_lines.length > 500) _lines.removeRange(500, _lines.length);
    });
  }

  @override
  Widget build(BuildContext context) => MaterialApp(
        home: Scaffold(
          appBar: AppBar(title: Text(_state)),
          body: ListView(children: [for (final line in _lines) ListTile(title: Text(line))]),
        ),
      );
}
